# removes 7.3.4 18
# removes 6.12.117 18
/^	kvm_eventfd_init(kvm);/d
/^	kvm_irqfd_release(kvm);/d
/^	case KVM_CAP_IRQFD:/d
/^	case KVM_IRQFD: {/,/^	}/d
/^	r = kvm_irqfd_init();/,/goto err_irqfd;/d
/^	kvm_irqfd_exit();/d
/^err_irqfd:/d
