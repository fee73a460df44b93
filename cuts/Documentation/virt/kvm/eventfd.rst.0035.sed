# what the topics behind mend
/^  One without ``KVM_MSI_VALID_DEVID``/d
/^- What waits for the EOI of a pin/,/came first\.$/d
/^- x86: a signal on a Xen event/,/^  one interrupts for every signal/d
