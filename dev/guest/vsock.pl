#!/usr/bin/perl
# vsock.pl CID PORT SEND RECEIVE: connect to that vsock or, with - for CID, wait for
# one, send a file and receive another at the same time. It needs no module of perl's,
# as the nested guest has none.
my ($cid, $port, $send, $receive) = @ARGV;

sub address { pack("S S L L x4", 40, 0, $port, shift) }	# struct sockaddr_vm

socket(my $socket, 40, 1, 0) or die "no vsock: $!\n";	# AF_VSOCK, SOCK_STREAM
if ($cid eq "-") {
	bind($socket, address(0xffffffff)) && listen($socket, 1) or die "cannot listen: $!\n";
	syswrite(STDOUT, "listening\n");
	accept(my $peer, $socket) or die "cannot accept: $!\n";
	$socket = $peer;
} else {
	connect($socket, address($cid)) or die "cannot connect: $!\n";
}

my $sender = fork();
defined($sender) or die "cannot fork: $!\n";
my $data;
if ($sender == 0) {
	open(my $file, "<", $send) or die "$send: $!\n";
	while (my $n = sysread($file, $data, 65536)) {
		for (my $done = 0; $done < $n; ) {
			$done += syswrite($socket, $data, $n - $done, $done) || die "cannot send: $!\n";
		}
	}
	shutdown($socket, 1) or die "cannot shut down: $!\n";
	exit 0;
}
open(my $file, ">", $receive) or die "$receive: $!\n";
while (my $n = sysread($socket, $data, 65536)) {
	syswrite($file, $data) == $n or die "$receive: $!\n";
}
waitpid($sender, 0);
exit($? != 0);
