# removes 6.12.117 45
/^	kvm_ioeventfd_flag_nr_datamatch,/,/^};/d
/^#define KVM_IOEVENTFD_FLAG_DATAMATCH/,/^#define KVM_IOEVENTFD_VALID_FLAG_MASK/d
/^struct kvm_ioeventfd {/,/^};/d
/^#define KVM_CAP_IRQFD /d
/^#define KVM_CAP_IOEVENTFD /d
/^#define KVM_CAP_IRQFD_RESAMPLE /d
/^#define KVM_CAP_IOEVENTFD_NO_LENGTH /d
/^#define KVM_CAP_IOEVENTFD_ANY_LENGTH /d
/^#define KVM_IRQFD_FLAG_DEASSIGN/,/^#define KVM_IRQFD_FLAG_RESAMPLE/d
/^struct kvm_irqfd {/,/^};/d
/^#define KVM_IRQFD /d
/^#define KVM_IOEVENTFD /d
