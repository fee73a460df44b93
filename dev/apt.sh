# Sourced by fetch.sh and models.sh: packages of another suite of Debian, by an apt of their
# own, with the mirror that the system has: nothing of the system's changes.
# shellcheck shell=sh disable=SC2034,SC2154

# The system's own archive, by any kind of list that apt reads.
mirror() {
	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	apt-get update --print-uris 2>/dev/null |
		sed -n "s,^'\(.*\)/dists/\(${codename:-stable}\|stable\|testing\|unstable\|sid\)/InRelease'.*,\1,p" | head -n 1
}

write_apt() { # SUITE URI
	keyring=/usr/share/keyrings/debian-archive-keyring.gpg
	signed=
	[ ! -f "$keyring" ] || signed="signed-by=$keyring "
	rm -rf "$apt"
	mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" || die "cannot write to $build"
	echo "deb [${signed}target=Packages] $2 $1 main" > "$apt/sources.list"
	cat > "$apt/conf" <<-END
		Dir::State "$apt/state";
		Dir::Cache "$apt/cache";
		Dir::Etc::SourceList "$apt/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		APT::Sandbox::User "root";
		APT::Get::AllowUnauthenticated "false";
		Acquire::AllowInsecureRepositories "false";
		Acquire::Languages "none";
		Acquire::http::Timeout "30";
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
	END
}

# unpack_debs SUITE PACKAGE...: leaves what they hold in $apt/root, which the caller empties.
# False: it is not to be had, and $why says why.
apt=$build/apt
unpack_debs() {
	log=$logs/fetch.log
	suite=$1
	shift
	why="this is not Debian"
	command -v apt-get >/dev/null || return 1
	uri=$(mirror)
	why="the system's apt has no Debian mirror"
	[ -n "$uri" ] || return 1
	write_apt "$suite" "$uri"
	say "fetching $* from $suite of $uri"
	why="apt-get gets no $* from $suite of $uri, see $log"
	(cd "$apt" && apt-get -c conf update && apt-get -c conf download "$@") </dev/null >"$log" 2>&1 || return 1
	for deb in "$apt"/*.deb; do
		why="the package ${deb##*/} does not unpack, see $log"
		dpkg-deb -x "$deb" "$apt/root" 2>>"$log" || return 1
	done
}
