# removes 7.3.4 44
# removes 6.12.117 43
/^struct kvm_io_range {/,/gpa_t addr);$/d
/^	struct kvm_io_bus __rcu \*buses/d
/^	struct list_head ioeventfds;/d
/^static inline struct kvm_io_bus \*kvm_get_bus(/,/^}/d
/^int kvm_ioeventfd(/d
