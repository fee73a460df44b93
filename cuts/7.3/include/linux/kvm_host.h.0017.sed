# removes 7.3.4 4
/^struct kvm_kernel_irqfd;/d
/^void kvm_arch_update_irqfd_routing(/,/);/d
