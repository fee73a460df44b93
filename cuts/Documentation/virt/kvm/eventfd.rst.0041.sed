/^MASK-1$/,/^MASK-2$/s/ is 7 on x86 and arm64, and 0/ is 7 on x86, and 0/
/^MASK-3$/,/^MASK-14$/{/^  arm64: /{:a;/\.$/!{N;ba};d}}
/^arch\/arm64\/kvm\/vgic\/vgic-gsi\.c/d
