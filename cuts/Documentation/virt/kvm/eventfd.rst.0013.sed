# resampling
/^KVM_IRQFD: resampling$/,/^KVM_IOEVENTFD: what is accepted$/{/^KVM_IOEVENTFD: what is accepted$/!d}
/^Resampling$/,/^What differs from Linux/{/^What differs from Linux/!d}
