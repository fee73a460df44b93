# removes 7.3.4 310
# removes 6.12.117 310
/^ \* -----/,/^ \* -----/d
/^struct _ioeventfd {/,/^int$/d
/^kvm_ioeventfd(/,/^}/d
/^	INIT_LIST_HEAD(&kvm->ioeventfds);/d
