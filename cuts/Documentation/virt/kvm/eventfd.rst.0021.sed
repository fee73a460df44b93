# the ways to a doorbell
/^Fast paths$/,/^The end of a VM$/{/^The end of a VM$/!d}
/^On x86 there are three ways/,/^The bus has a filter/{/^The bus has a filter/!d}
/^- A kick goes no further/,/^- An interrupt is injected/{/^- An interrupt is injected/!d}
/^- On AMD, where a nested/,/^- The cookie/{/^- The cookie/!d}
