# the models
/^Models$/,/^What differs from Linux/{/^What differs from Linux/!d}
