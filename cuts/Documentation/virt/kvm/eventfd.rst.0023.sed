# masks, and what all of it adds up to
/^- ``KVM_MASK_IRQ`` makes a GSI/,/^The ioctls are described/{/^The ioctls are described/!d}
/^  ``KVM_CAP_GSI_MASK`` tells what of masking/d
/^Masking$/,/^Fast paths$/{/^Fast paths$/!d}
/^Where things are$/,/^Why it is as it is$/{/^Why it is as it is$/!d}
/^How a GSI is masked$/,/^Resampling$/{/^Resampling$/!d}
/^Locks$/,/^What differs from Linux/{/^What differs from Linux/!d}
/^- GSIs can be masked/d
/^- AMD: bits 3 to 0 of TPR/d
