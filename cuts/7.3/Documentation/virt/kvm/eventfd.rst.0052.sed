# LoongArch, which has irqfds there
/^- loongarch: an irqfd/d
