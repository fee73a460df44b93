# removes 7.3.4 344
/^static void kvm_io_bus_destroy(struct kvm_io_bus \*bus);/d
/^\/\* Called only on cleanup and destruction paths when there are no users. \*\//d
/^static inline struct kvm_io_bus \*kvm_get_bus_for_destruction(/,/^}/d
/^	for (i = 0; i < KVM_NR_BUSES; i++) {/,/^	}/d
/^	for (i = 0; i < KVM_NR_BUSES; i++)$/,/kvm_get_bus_for_destruction(/d
/^	srcu_barrier(&kvm->srcu);/d
/^	case KVM_CAP_IOEVENTFD_ANY_LENGTH:/d
/^	case KVM_IOEVENTFD: {/,/^	}/d
/^static void kvm_iodevice_destructor(/,/^EXPORT_SYMBOL_FOR_KVM_INTERNAL(kvm_io_bus_get_dev);/d
