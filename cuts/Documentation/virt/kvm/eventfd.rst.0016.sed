# irq bypass
/^With irq bypass, a device's/,/^Resampling$/{/^Resampling$/!d}
