# removes 7.3.4 1
# removes 6.12.117 1
/^	INIT_HLIST_HEAD(&kvm->irq_ack_notifier_list);/d
