/^MASK-1$/,/^MASK-2$/s/ is 7 on x86, arm64 and riscv, else 0:/ is 7 on x86 and arm64, and 0 elsewhere:/
/^MASK-3$/,/^MASK-13$/{/^  riscv: /d}
