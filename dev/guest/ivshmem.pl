#!/usr/bin/perl
# ivshmem.pl SOCKET SIZE: what QEMU's ivshmem-server does, which Debian does not ship:
# tell the QEMUs that connect each other's eventfds, one for each. Then, for every line
# "N" on the input, write to the eventfd of QEMU N.
use strict;
use warnings;
use Socket;

my ($path, $size) = @ARGV;
my ($sendmsg, $eventfd2, $memfd_create) = (46, 290, 319);
my @peers;

# One number and perhaps a file go in each message; the kernel's structs, packed.
sub announce {
	my ($peer, $number, $fd) = @_;
	my $data = pack("q<", $number);
	my $iov = pack("P Q", $data, length($data));
	my $control = defined($fd) ? pack("Q l l l x4", 20, SOL_SOCKET, 1, $fd) : "";
	my $message = defined($fd) ?
		pack("Q L x4 P Q P Q l x4", 0, 0, $iov, 1, $control, length($control), 0) :
		pack("Q L x4 P Q Q Q l x4", 0, 0, $iov, 1, 0, 0, 0);
	syscall($sendmsg, fileno($peer->{socket}), $message, 0) == length($data) or
		die "cannot tell a QEMU: $!\n";
}

my $name = "ivshmem";	# syscall() takes no literal
my $memory = syscall($memfd_create, $name, 0);
open(my $file, "+<&=", $memory) or die "no memory: $!\n";
truncate($file, $size) or die "no memory: $!\n";

my $server;
socket($server, AF_UNIX, SOCK_STREAM, 0) && bind($server, pack_sockaddr_un($path)) &&
	listen($server, 2) or die "cannot listen: $!\n";
syswrite(STDOUT, "listening\n");
while (1) {
	my $ready = "";
	vec($ready, fileno($_), 1) = 1 for $server, *STDIN;
	select($ready, undef, undef, undef);
	if (vec($ready, fileno($server), 1)) {
		accept(my $socket, $server) or die "cannot accept: $!\n";
		my $eventfd = syscall($eventfd2, 0, 0);
		$eventfd >= 0 or die "no eventfd: $!\n";
		open(my $file, "+<&=", $eventfd) or die "no eventfd: $!\n";
		my $new = { socket => $socket, eventfd => $eventfd, file => $file };
		my $id = @peers;
		push(@peers, $new);
		announce($new, 0);
		announce($new, $id);
		announce($new, -1, $memory);
		announce($_, $id, $eventfd) for @peers[0 .. $id - 1];
		announce($new, $_, $peers[$_]{eventfd}) for 0 .. $id;
	}
	if (vec($ready, fileno(STDIN), 1)) {
		sysread(STDIN, my $lines, 4096) or last;
		for my $id (split(" ", $lines)) {
			syswrite($peers[$id]{file}, pack("Q", 1)) == 8 or die "cannot ring: $!\n";
		}
	}
}
