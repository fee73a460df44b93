# removes 6.12.117 85
/^#define KVM_IRQFD_RESAMPLE_IRQ_SOURCE_ID/d
/^struct kvm_io_range {/,/gpa_t addr);$/d
/^	struct kvm_io_bus __rcu \*buses/,/^	struct list_head ioeventfds;/d
/^static inline struct kvm_io_bus \*kvm_get_bus(/,/^}/d
/^int kvm_irqfd_init(void);/d
/^void kvm_irqfd_exit(void);/d
/^static inline int kvm_irqfd_init(/,/^}/d
/^static inline void kvm_irqfd_exit(/,/^}/d
/^bool kvm_arch_irqfd_allowed(/d
/^void kvm_eventfd_init(/d
/^int kvm_ioeventfd(/d
/^int kvm_irqfd(/d
/^void kvm_irqfd_release(/d
/^bool kvm_notify_irqfd_resampler(/,/);/d
/^void kvm_irq_routing_update(/d
/^static inline int kvm_irqfd(/,/^}/d
/^static inline void kvm_irqfd_release(/d
/^static inline bool kvm_notify_irqfd_resampler(/,/^}/d
/^int kvm_arch_update_irqfd_routing(/,/);/d
/^bool kvm_arch_irqfd_route_changed(/,/);/d
