# gnuplot -c bench.gp MACHINE TSV [UNIT]: kicks and signals on ours and on stock, as SVG
# gnuplot -c bench.gp scale TSV: what they and irqfds cost among many of their kind
set datafile separator "\t"
set datafile missing "-"
set grid y
set ylabel (ARGC > 2 ? ARG3 : "instructions")
set logscale y
set format y "%.0f"
grey = "#a0a0a0"
blue = "#3060a0"

# Those named NAME, and NAME with a number behind it; NAME alone is FIRST of them.
series(name, first) = sprintf("< awk -F '\t' -v OFS='\t' -v name='%s' -v nr=%d \
	'index($1, name) == 1 { \
		rest = substr($1, length(name) + 1); \
		if (rest != \"\") { \
			if (rest !~ /^, (among )?[0-9]/) next; \
			gsub(/[^0-9]/, \"\", rest); nr = rest \
		} \
		print nr, $2, $3 \
	}' %s", name, first, ARG2)

if (ARG1 eq "scale") {
	set terminal svg noenhanced size 900,600 font "sans,12"
	set title "on svm, by the number of others; stock is dashed"
	set logscale x
	set xlabel "others"
	set key outside below
	datamatch = series("PIO write, datamatch", 1)
	ioeventfd = series("ioeventfd, assign and deassign", 10)
	irqfd = series("irqfd, assign and deassign", 10)
	plot datamatch using 1:3 with linespoints dt 2 pt 4 lc rgb grey notitle, \
	     ioeventfd using 1:3 with linespoints dt 2 pt 6 lc rgb grey notitle, \
	     irqfd using 1:3 with linespoints dt 2 pt 8 lc rgb grey notitle, \
	     datamatch using 1:2 with linespoints pt 5 lc rgb blue title "kick, other values at the port", \
	     ioeventfd using 1:2 with linespoints pt 7 lc rgb blue title "ioeventfd, assign and deassign", \
	     irqfd using 1:2 with linespoints pt 9 lc rgb blue title "irqfd, assign and deassign"
} else {
	set terminal svg noenhanced size 1100,700 font "sans,12"
	set title ARG1
	set style data histograms
	set style fill solid
	set boxwidth 0.9
	set key top left
	set xtics rotate by 50 right font ",10" nomirror
	set bmargin 18
	set lmargin 14
	kicks = sprintf("< grep -E '^(CPUID|PSCI|SBI|PIO|MMIO|IPI|write|eventfd_|signal)' %s | \
		grep -vE '(elsewhere|at the port|at the address|masked)\t'", ARG2)
	plot kicks using 3:xtic(1) title "stock" linecolor rgb grey, \
	     kicks using 2 title "ours" linecolor rgb blue
}
