#!/bin/sh
# fetch.sh: bring the source of BASE from Debian's backports to build/BASE/. By an apt of
# its own, with the mirror that the system has: nothing of the system's changes.
. "$(dirname "$0")/lib.sh"
lock

suite=trixie-backports
package=linux-source-$base
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
apt=$build/apt
log=$logs/fetch.log

give_up() {
	rm -rf "$apt"
	(die "no source of Linux $base is to be had: $*; set LINUX_SRC=<tar file or directory of a $base.y>, or go on with BASE=6.12")
	exit $no_source
}

# The system's own archive, by any kind of list that apt reads.
mirror() {
	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	apt-get update --print-uris 2>/dev/null |
		sed -n "s,^'\(.*\)/dists/\(${codename:-stable}\|stable\|testing\|unstable\|sid\)/InRelease'.*,\1,p" | head -n 1
}

command -v apt-get >/dev/null || give_up "this is not Debian"
uri=$(mirror)
[ -n "$uri" ] || give_up "the system's apt has no Debian mirror"
need_space 600
rm -rf "$apt"
mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" || die "cannot write to $build"
[ ! -f "$keyring" ] || signed="signed-by=$keyring "
echo "deb [${signed-}target=Packages] $uri $suite main" > "$apt/sources.list"
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

say "fetching $package from $suite of $uri"
(cd "$apt" && apt-get -c conf update && apt-get -c conf download "$package") </dev/null >"$log" 2>&1 ||
	give_up "apt-get gets no $package from $suite of $uri, see $log"
dpkg-deb -x "$apt/$package"_*.deb "$apt/root" 2>>"$log" && mv "$apt/root/usr/src/$package.tar.xz" "$build/" ||
	give_up "the package $package does not unpack, see $log"
rm -rf "$apt"
