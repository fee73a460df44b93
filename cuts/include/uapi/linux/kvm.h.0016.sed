# removes 7.3.4 19
# removes 6.12.117 19
/^#define KVM_CAP_IRQFD /d
/^#define KVM_CAP_IRQFD_RESAMPLE /d
/^#define KVM_IRQFD_FLAG_DEASSIGN/,/^#define KVM_IRQFD_FLAG_RESAMPLE/d
/^struct kvm_irqfd {/,/^};/d
/^#define KVM_IRQFD /d
