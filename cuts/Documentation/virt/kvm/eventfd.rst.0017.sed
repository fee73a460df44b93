# pins in place
/^IRQFD-21$/,/^IRQFD-22$/{/^IRQFD-22$/!d}
/^On x86 that includes pins/,/^``kvm_set_irq()`` and the wake-up/{/^``kvm_set_irq()`` and the wake-up/!d}
/^- An interrupt is injected by who/,/^- Nothing waits/{/^- Nothing waits/!d}
/^- Pins of the PICs/,/^- The cookie/{/^- The cookie/!d}
/^- An EOI is over/,/^- x86: RF ends/{/^- x86: RF ends/!d}
/^A signal may come of it/,/^Resampling$/{/^Resampling$/!d}
