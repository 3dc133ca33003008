# sshd - a private sshd for one test, and a kedge configured to use it.  After tap.sh and wait_for.sh:
#
#	sshd_start; kedge_env; kedge cluster check box
#
# Only loopback, only this user, own host and user keys; the listener and what it started are ended at exit.
# Set before sshd_start or sshd_restart:
#
#	SSHD_HOST_KEYS   key types: "ed25519" (default), "ecdsa", "rsa"
#	SSHD_USER_KEYS   the same for the user's keys; $sshd_dir/id_TYPE
#	SSHD_SETENV      "NAME=value NAME=value" for every login
#	SSHD_SFTP        the sftp subsystem: "internal-sftp" (default) or a command; "none"
#	SSHD_CONFIG      further lines for sshd_config; they come first, and the first of a keyword counts
#
# Afterwards: $sshd_port, $sshd_pid, $sshd_log, and in $sshd_dir: id_TYPE, known_hosts, home/ (the HOME of kedge),
# root/ (the root of cluster box).  A login starts in the real home directory of this user.

sshd_dir=$tap_dir/box
sshd_log=$sshd_dir/sshd.log
sshd_user=$(id -un)
sshd_port='' sshd_pid=''
(umask 077 && mkdir -p "$sshd_dir/home" "$sshd_dir/root")

sshd_available()
{
	[ -n "${SSHD:-}" ] && [ -x "$SSHD" ]
}

sshd_keys()
{
	for sshd_type in ${SSHD_HOST_KEYS:-ed25519}; do
		[ -f "$sshd_dir/host_$sshd_type" ] ||
			ssh-keygen -q -t "$sshd_type" -N '' -C host -f "$sshd_dir/host_$sshd_type" || return 1
	done
	for sshd_type in ${SSHD_USER_KEYS:-ed25519}; do
		[ -f "$sshd_dir/id_$sshd_type" ] ||
			ssh-keygen -q -t "$sshd_type" -N '' -C user -f "$sshd_dir/id_$sshd_type" || return 1
	done
	cat "$sshd_dir"/id_*.pub >"$sshd_dir/authorized_keys"
}

# SHLVL: a bash that believes to be a second one does not read the .bashrc of who runs the tests.
sshd_config()
{
	printf '%s\n' "${SSHD_CONFIG:-}"
	echo "SetEnv SHLVL=1 ${SSHD_SETENV:-}"
	for sshd_type in ${SSHD_HOST_KEYS:-ed25519}; do
		echo "HostKey $sshd_dir/host_$sshd_type"
	done
	[ "${SSHD_SFTP:-}" = none ] || echo "Subsystem sftp ${SSHD_SFTP:-internal-sftp}"
	cat <<-END
		ListenAddress 127.0.0.1
		Port $sshd_port
		PidFile $sshd_dir/sshd.pid
		AuthorizedKeysFile $sshd_dir/authorized_keys
		LogLevel VERBOSE
		StrictModes no
		UsePAM no
		UseDNS no
		PasswordAuthentication no
		KbdInteractiveAuthentication no
		PermitRootLogin prohibit-password
		MaxStartups 100
		PrintMotd no
		PrintLastLog no
	END
}

# OpenSSH 9.8 slows down who fails to authenticate; older ones do not know the word.
sshd_write_config()
{
	sshd_config >"$sshd_dir/sshd_config"
	{
		cat "$sshd_dir/sshd_config"
		echo 'PerSourcePenalties no'
	} >"$sshd_dir/sshd_config.new"
	if "$SSHD" -t -f "$sshd_dir/sshd_config.new" 2>/dev/null; then
		mv "$sshd_dir/sshd_config.new" "$sshd_dir/sshd_config"
		return 0
	fi
	rm "$sshd_dir/sshd_config.new"
	"$SSHD" -t -f "$sshd_dir/sshd_config"
}

sshd_show_log()
{
	diag "the log of sshd:"
	diag "$(tail -n 50 "$sshd_log" 2>&1)"
}

# Trust the host keys under another port too, for a proxy in front.
sshd_trust()
{
	for sshd_type in ${SSHD_HOST_KEYS:-ed25519}; do
		sed "s/^\\([^ ]* [^ ]*\\).*/[127.0.0.1]:$1 \\1/" "$sshd_dir/host_$sshd_type.pub"
	done >>"$sshd_dir/known_hosts"
}

sshd_is_up()
{
	[ -s "$sshd_dir/sshd.pid" ] && return
	! kill -0 "$sshd_pid" 2>/dev/null
}

# One try; the pid file is written after the socket listens.
sshd_launch()
{
	rm -f "$sshd_dir/sshd.pid"
	sshd_write_config || return 1
	"$SSHD" -D -f "$sshd_dir/sshd_config" -E "$sshd_log" </dev/null >/dev/null 2>&1 &
	sshd_pid=$!
	wait_for sshd_is_up && [ -s "$sshd_dir/sshd.pid" ] && kill -0 "$sshd_pid" 2>/dev/null && return 0
	sshd_stop
	return 1
}

sshd_random_port()
{
	echo $((20000 + $(od -An -N2 -tu2 /dev/urandom) % 12000))
}

sshd_start()
{
	sshd_available || bail_out 'no sshd'
	[ "$(id -u)" -ne 0 ] || [ -d /run/sshd ] || mkdir -m 755 /run/sshd
	sshd_keys || bail_out 'ssh-keygen failed'
	at_exit sshd_stop
	for sshd_try in 1 2 3 4 5 6 7 8 9 10; do
		sshd_port=$(sshd_random_port)
		sshd_launch || continue
		: >"$sshd_dir/known_hosts"
		sshd_trust "$sshd_port"
		return 0
	done
	diag "$("$SSHD" -t -f "$sshd_dir/sshd_config" 2>&1)"
	sshd_show_log
	bail_out 'sshd does not start'
}

# The processes of sshd below the listener: there may be two for a connection.
sshd_children()
{
	cat /proc/[0-9]*/stat 2>/dev/null | awk -v "top=$sshd_pid" '
	{
		pid = $1
		sub(/^[0-9]+ \(/, "")
		name[pid] = $0
		sub(/^.*\) [A-Z] /, "")
		parent[pid] = $1
	}
	END {
		for (pid in parent) {
			for (p = pid; p != top && name[p] ~ /^sshd/; p = parent[p])
				;
			if (p == top && pid != top)
				print pid
		}
	}'
}

# End every connection, at once, as if the machine had gone; the listener stays.
sshd_drop()
{
	for sshd_child in $(sshd_children); do
		kill -KILL "$sshd_child" 2>/dev/null
	done
	:
}

# End the listener and every connection.
sshd_stop()
{
	[ -n "$sshd_pid" ] || return 0
	sshd_sessions_left=$(sshd_children)
	kill "$sshd_pid" 2>/dev/null
	for sshd_child in $sshd_sessions_left; do
		kill "$sshd_child" 2>/dev/null
	done
	wait "$sshd_pid" 2>/dev/null
	sshd_pid=
}

# With the present variables, on the same port.
sshd_restart()
{
	sshd_stop
	sshd_keys || bail_out 'ssh-keygen failed'
	for sshd_try in 1 2 3 4 5; do
		sshd_launch && return 0
	done
	sshd_show_log
	bail_out 'sshd does not start again'
}

# How many logins, and how many commands and subsystems, since the start.
sshd_count_logins()
{
	grep -c 'Accepted publickey for ' "$sshd_log"
}

sshd_count_sessions()
{
	grep -c 'Starting session: ' "$sshd_log"
}

# Export the environment of a kedge that knows one cluster, box: this sshd, or the local transport when there is
# none.  `kedge` is the one of the build tree.  max_logins = 0: a test asks more often than a server would like, and
# does not wait after a failure of its own making.
kedge_env()
{
	HOME=$sshd_dir/home
	XDG_CONFIG_HOME=$HOME/.config
	XDG_STATE_HOME=$HOME/.local/state
	PATH=$builddir:$PATH
	unset SSH_AUTH_SOCK
	export HOME XDG_CONFIG_HOME XDG_STATE_HOME PATH
	(umask 077 && mkdir -p "$XDG_CONFIG_HOME/kedge" "$XDG_STATE_HOME")
	{
		printf '[defaults]\ncluster = box\n\n[cluster box]\n'
		if [ -n "$sshd_port" ]; then
			sshd_type=${SSHD_USER_KEYS:-ed25519}
			cat <<-END
				host = 127.0.0.1
				port = $sshd_port
				user = $sshd_user
				identity_file = $sshd_dir/id_${sshd_type%% *}
				known_hosts = $sshd_dir/known_hosts
				agent = no
			END
		else
			echo 'transport = local'
		fi
		printf 'root = %s/root\ngpu_run = %s/contrib/gpu-run\nmax_logins = 0\n' "$sshd_dir" "$srcdir"
	} >"$XDG_CONFIG_HOME/kedge/config.ini"
}
