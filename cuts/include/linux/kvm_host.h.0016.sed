# removes 7.3.4 35
# removes 6.12.117 35
/^#define KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID/d
/^		spinlock_t        lock;/,/^	} irqfds;/d
/^int kvm_irqfd_init(void);/d
/^void kvm_irqfd_exit(void);/d
/^static inline int kvm_irqfd_init(/,/^}/d
/^static inline void kvm_irqfd_exit(/,/^}/d
/^bool kvm_arch_irqfd_allowed(/d
/^void kvm_eventfd_init(/d
/^int kvm_irqfd(/d
/^void kvm_irqfd_release(/d
/^bool kvm_notify_irqfd_resampler(/,/);/d
/^void kvm_irq_routing_update(/d
/^static inline int kvm_irqfd(/,/^}/d
/^static inline void kvm_irqfd_release(/d
/^static inline bool kvm_notify_irqfd_resampler(/,/^}/d
