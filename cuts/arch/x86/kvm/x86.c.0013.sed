# removes 7.3.4 2
# removes 6.12.117 2
/^	case KVM_CAP_IOEVENTFD:/d
/^	case KVM_CAP_IOEVENTFD_NO_LENGTH:/d
