# removes 7.3.4 26
# removes 6.12.117 26
/^	kvm_ioeventfd_flag_nr_datamatch,/,/^};/d
/^#define KVM_IOEVENTFD_FLAG_DATAMATCH/,/^#define KVM_IOEVENTFD_VALID_FLAG_MASK/d
/^struct kvm_ioeventfd {/,/^};/d
/^#define KVM_CAP_IOEVENTFD /d
/^#define KVM_CAP_IOEVENTFD_NO_LENGTH /d
/^#define KVM_CAP_IOEVENTFD_ANY_LENGTH /d
/^#define KVM_IOEVENTFD /d
