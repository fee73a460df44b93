# irq bypass
/^	kvm_irqfd_start_bypass(irqfd);$/d
/^	kvm_irqfd_stop_bypass(irqfd);$/d
/^	mutex_init(&kvm->irqfds\.bypass_lock);$/d
/^	INIT_LIST_HEAD(&kvm->irqfds\.bypassed);$/d
