# lib.sh - what check and quickstart share: packages, and the build system. Sourced.
# shellcheck shell=sh disable=SC2034

packages_build='gcc make autoconf automake pkg-config libc6-dev libssh2-1-dev libssl-dev libsqlite3-dev libjansson-dev
	libinih-dev libarchive-dev libsmartcols-dev libcmocka-dev'
packages_ssh='openssh-client openssh-server openssh-sftp-server'

packages_missing() {
	for package; do
		dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q ' installed$' || echo "$package"
	done | tr '\n' ' '
}

# Run a command as root, asking for a password only where somebody can give it.
packages_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif [ -t 0 ]; then
		sudo -- "$@"
	else
		sudo -n -- "$@"
	fi
}

# packages_install PACKAGE...: those that are not there. Services are not started.
packages_install() {
	if ! command -v dpkg-query >/dev/null; then
		echo "this is not Debian or its kin: see README.md for what to install" >&2
		return 0
	fi
	missing=$(packages_missing "$@")
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
		printf 'missing: %s\nas root: apt-get install %s\n' "$missing" "$missing" >&2
		return 1
	fi
	echo "installing: $missing"
	# shellcheck disable=SC2016,SC2086 # expanded there; words
	packages_root sh -c '
		export DEBIAN_FRONTEND=noninteractive LC_ALL=C
		policy=/usr/sbin/policy-rc.d
		if [ -e $policy ]; then
			policy=
		else
			printf "#!/bin/sh\nexit 101\n" >$policy && chmod 755 $policy
			trap "rm -f $policy" EXIT
			trap "exit 1" HUP INT TERM
		fi
		server=$(command -v sshd /usr/sbin/sshd)
		output=$(apt-get -qq update 2>&1) || {
			printf "%s\n" "$output" >&2
			exit 1
		}
		for package; do
			shift
			if [ -n "$(apt-cache -q=0 --names-only search "^$package\$")" ]; then set -- "$@" "$package"; fi
		done
		output=$(apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends "$@" 2>&1) || {
			printf "%s\n" "$output" >&2
			exit 1
		}
		# An ssh server for tests is no reason to open this machine after the next boot.
		if [ -z "$server" ] && [ -d /run/systemd/system ]; then systemctl -q disable ssh.service ssh.socket 2>/dev/null; fi
		:
	' packages $missing </dev/null
}

# make_configure SOURCE LOG: the build system is made once, and again when what it is made from is newer.
make_configure() {
	if [ -e "$1/config.status" ]; then
		echo "the source is configured for a build in place; first: make -C '$1' distclean" >&2
		return 1
	fi
	if [ -e "$1/configure" ] && [ -z "$(find "$1" -path "$1/build" -prune -o \
		\( -name configure.ac -o -name Makefile.am -o -name Makefile.inc \) -newer "$1/configure" -print)" ]; then
		return 0
	fi
	(cd "$1" && autoreconf -fi) >"$2" 2>&1 || {
		cat "$2" >&2
		return 1
	}
}
