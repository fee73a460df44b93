# removes 7.3.4 1
# removes 6.12.117 1
/^	case KVM_CAP_IRQFD_RESAMPLE:/d
