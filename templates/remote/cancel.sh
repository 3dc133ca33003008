# cancel.sh - signal the processes of the attempts listed on descriptor 3 (JOB_ID N TOKEN).
# TERM goes to run.sh, which stops its own and tells how it ended; without it, and for KILL, to everything that carries the
# token or is in run.sh's session.  A pid is signalled only after its start time, boot and host were compared; what `go` names is
# run.sh only if it is a process of this user, and has the token where its environment can be read: that file is the job's to edit.
# Reply: C ID N sent|none|elsewhere|unknown
cd "$root" || return 3
kedge_how={{signal}}
kedge_host=$(uname -n)
kedge_boot=-
IFS= read -r kedge_boot 2>/dev/null < /proc/sys/kernel/random/boot_id

kedge_stat() { # PID: state, group, session, start
	state='' pgrp='' sid='' start=''
	{ IFS= read -r kedge_line < "/proc/$1/stat"; } 2>/dev/null || return 1
	# shellcheck disable=SC2086
	set -- ${kedge_line##*) }
	state=$1 pgrp=$3 sid=$4
	shift 19
	start=$1
	[ "$state" != Z ] && [ "$state" != X ]
}
kedge_field() { # NAME LINE
	kedge_v=${2#*" $1="}
	[ "$kedge_v" != "$2" ] || kedge_v=
	kedge_v=${kedge_v%% *}
}
kedge_uid=$(id -u)
kedge_is_run_sh() { # PID TOKEN
	case $1 in '' | 0* | 1 | *[!0-9]*) return 1 ;; esac
	kedge_owner=
	while read -r kedge_name kedge_owner _; do
		[ "$kedge_name" != Uid: ] || break
	done 2>/dev/null < "/proc/$1/status"
	[ "$kedge_owner" = "$kedge_uid" ] || return 1
	! cat "/proc/$1/environ" > /dev/null 2>&1 || grep -q "KEDGE_TOKEN=$2" "/proc/$1/environ" 2>/dev/null
}
kedge_kill() { # SIGNAL PID
	case $2 in '' | 0* | 1 | *[!0-9]*) return 1 ;; esac
	kill -s "$1" "$2" 2>/dev/null
}
kedge_everything() { # SIGNAL LEADER TOKEN: 0 when something was signalled
	kedge_hit=1
	for kedge_e in $(grep -l "KEDGE_TOKEN=$3" /proc/[0-9]*/environ 2>/dev/null); do
		kedge_e=${kedge_e#/proc/}
		kedge_stat "${kedge_e%/environ}" && kedge_kill "$1" "${kedge_e%/environ}" && kedge_hit=0
	done
	[ -n "$2" ] || return $kedge_hit
	for kedge_e in /proc/[0-9]*; do
		kedge_e=${kedge_e#/proc/}
		kedge_stat "$kedge_e" && [ "$sid" = "$2" ] && kedge_kill "$1" "$kedge_e" && kedge_hit=0
	done
	return $kedge_hit
}
kedge_note() { # ID N TOKEN: the wish, for who has to find out later why the job ended
	[ -e "$1/.kedge/a$2/cancel" ] || {
		printf 'kedge=1 token=%s at=%s\n' "$3" "$(date +%s)" > "$1/.kedge/a$2/cancel.$$" &&
			mv -f "$1/.kedge/a$2/cancel.$$" "$1/.kedge/a$2/cancel"
	} 2> /dev/null
}
kedge_one() { # ID N TOKEN
	kedge_note "$1" "$2" "$3"
	kedge_go=
	{ IFS= read -r kedge_go < "$1/.kedge/a$2/go"; } 2>/dev/null
	kedge_leader=
	case $kedge_go in
	"kedge=1 kind=run token=$3 "*)
		kedge_field host "$kedge_go"
		[ "$kedge_v" = "$kedge_host" ] || { echo elsewhere; return; }
		kedge_field boot "$kedge_go"
		[ "$kedge_v" = "$kedge_boot" ] || { echo none; return; }
		kedge_field start "$kedge_go"
		kedge_began=$kedge_v
		kedge_field pid "$kedge_go"
		if kedge_stat "$kedge_v" && [ "$start" = "$kedge_began" ] && kedge_is_run_sh "$kedge_v" "$3"; then
			[ "$kedge_how" = KILL ] || { kedge_kill TERM "$kedge_v" && echo sent || echo unknown; return; }
			[ "$sid" != "$kedge_v" ] || kedge_leader=$kedge_v
		elif ! kedge_stat "$kedge_v"; then
			# A session outlives its leader, whose pid is not given away meanwhile.
			kedge_pid=$kedge_v
			kedge_field sid "$kedge_go"
			[ "$kedge_v" != "$kedge_pid" ] || kedge_leader=$kedge_pid
		fi
		;;
	esac
	case $kedge_leader in 0* | 1 | *[!0-9]*) kedge_leader= ;; esac
	kedge_verdict=none
	kedge_round=0
	while [ $kedge_round -lt 5 ] && kedge_everything "$kedge_how" "$kedge_leader" "$3"; do
		kedge_verdict=sent
		[ "$kedge_how" = KILL ] || break
		kedge_round=$((kedge_round + 1))
	done
	echo $kedge_verdict
}
while read -r id n token <&3; do
	printf 'C %s %s %s\n' "$id" "$n" "$(kedge_one "$id" "$n" "$token")"
done
