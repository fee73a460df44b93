# irqfds
/^KVM_IRQFD: what is accepted$/,/^KVM_IRQFD: resampling$/{/^KVM_IRQFD: resampling$/!d}
/^KVM_SET_GSI_ROUTING$/,/^KVM_IOEVENTFD: what is accepted$/{/^KVM_IOEVENTFD: what is accepted$/!d}
/^The life of an irqfd$/,/^Resampling$/{/^Resampling$/!d}
/^- ``KVM_SET_GSI_ROUTING`` does not visit/,/whatever it had\.$/d
/^- An eventfd drives one irqfd/,/^- Overlaps of/{/^- Overlaps of/!d}
/^- To unmask a pin of the IOAPIC/,/holds it up\.$/d
/^- While the deassign of an irqfd/,/assigned and deassigned\.$/d
/^- ``KVM_CAP_IRQFD_RESAMPLE`` is 0 where/d
