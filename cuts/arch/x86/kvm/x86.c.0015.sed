# removes 6.12.117 1
/^	case KVM_CAP_IRQFD_RESAMPLE:/d
