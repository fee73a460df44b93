# removes 6.12.117 320
/^static void kvm_io_bus_destroy(struct kvm_io_bus \*bus);/d
/^	for (i = 0; i < KVM_NR_BUSES; i++) {/,/^	}/d
/^	for (i = 0; i < KVM_NR_BUSES; i++)$/,/kvm_get_bus(/d
/^	case KVM_CAP_IOEVENTFD_ANY_LENGTH:/d
/^	case KVM_IOEVENTFD: {/,/^	}/d
/^static void kvm_iodevice_destructor(/,/^EXPORT_SYMBOL_GPL(kvm_io_bus_get_dev);/d
