# removes 7.3.4 68
# removes 6.12.117 69
/^int kvm_vm_ioctl_register_coalesced_mmio(/,/^}/d
/^int kvm_vm_ioctl_unregister_coalesced_mmio(/,/^}/d
