# removes 6.12.117 4
/^int kvm_arch_update_irqfd_routing(/,/);/d
/^bool kvm_arch_irqfd_route_changed(/,/);/d
