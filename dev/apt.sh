# Sourced by fetch.sh, models.sh and qemu.sh: packages of another suite of Debian, by an apt of
# their own, with the mirror that the system has: nothing of the system's changes.
# shellcheck shell=sh disable=SC2034,SC2154

# The system's own archive, by any kind of list that apt reads. Others name their suites as
# Debian does; whose they are is known once they have been fetched.
mirror() {
	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	suite="\(${codename:-stable}\|stable\|testing\|unstable\|sid\)"
	uri_=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Origin: Debian' 'Created-By: Packages' 2>/dev/null |
		sed -n "s,/* $suite\$,,p" | head -n 1)
	[ -n "$uri_" ] || uri_=$(apt-get update --print-uris 2>/dev/null |
		sed -n "s,^'\(.*\)/dists/$suite/InRelease'.*,\1,p" | head -n 1)
	echo "$uri_"
}

write_apt() { # SUITE URI
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	signed=
	[ ! -f "$keyring" ] || signed="signed-by=$keyring "
	rm -rf "$apt"
	mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" && : > "$apt/state/status" || die "cannot write to $build"
	for suite in "${1%-backports}" "$1"; do
		echo "deb [${signed}target=Packages] $2 $suite main"
	done | uniq > "$apt/sources.list"
	cat > "$apt/conf" <<-END
		Dir::State "$apt/state";
		Dir::State::status "$apt/state/status";
		Dir::Cache "$apt/cache";
		Dir::Etc::SourceList "$apt/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		APT::Sandbox::User "root";
		APT::Get::AllowUnauthenticated "false";
		Acquire::AllowInsecureRepositories "false";
		Acquire::Languages "none";
		Acquire::http::Timeout "30";
		${apt_arch:+APT::Architecture "$apt_arch"; APT::Architectures { "$apt_arch"; };}
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
	END
}

apt=$build/apt
apt_arch=	# of the packages, if it is not the system's
unpack() { # SUITE APT-COMMAND PACKAGE...
	log=$logs/fetch.log
	of=$1 get=$2
	shift 2
	why="this is not Debian"
	command -v apt-get >/dev/null || return 1
	uri=$(mirror)
	why="the system's apt has no Debian mirror"
	[ -n "$uri" ] || return 1
	write_apt "$of" "$uri"
	say "fetching $* from $of of $uri"
	why="apt-get gets no $* from $of of $uri, see $log"
	# shellcheck disable=SC2086
	(cd "$apt" && apt-get -c conf update && apt-get -c conf -t "$of" $get "$@") </dev/null >"$log" 2>&1 || return 1
	for deb in "$apt"/*.deb "$apt"/cache/archives/*.deb; do
		[ -e "$deb" ] || continue
		why="the package ${deb##*/} does not unpack, see $log"
		dpkg-deb -x "$deb" "$apt/root" 2>>"$log" || return 1
	done
}

# unpack_debs SUITE PACKAGE...: leaves what they hold in $apt/root, which the caller empties.
# unpack_program: also what all that they need holds.
# False: it is not to be had, and $why says why.
unpack_debs() { of=$1; shift; unpack "$of" download "$@"; }
unpack_program() { of=$1; shift; unpack "$of" "install -y --download-only --no-install-recommends" "$@"; }
