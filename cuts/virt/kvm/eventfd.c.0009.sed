# removes 7.3.4 58
# removes 6.12.117 58
/^bool kvm_irq_has_notifier(/,/^}/d
/^EXPORT_SYMBOL[A-Z_]*(kvm_irq_has_notifier);/d
/^void kvm_notify_acked_gsi(/,/^}/d
/^void kvm_notify_acked_irq(/,/^}/d
/^void kvm_register_irq_ack_notifier(/,/^}/d
/^void kvm_unregister_irq_ack_notifier(/,/^}/d
