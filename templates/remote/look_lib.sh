# look_lib.sh - kedge_look: one line for the cluster, one for each attempt listed on stdin (JOB_ID N TOKEN a line).
# Order inside: identity, liveness, and only then the directory listing for markers: a process that ended after it was seen
# alive has its marker listed or is looked at again.  A listing, because a stat may be a stale "no" on NFS.
# A constant number of forks: awk reads claims and /proc, the shell lists (globs are readdir), awk reads what was listed.
# Reply, fields separated by one blank, "-" for none, "?" for listed but not readable (blanks in text are %20, % is %25):
#   H HOST BOOT NOW FREE_KIB
#   J ID N TREE GO LAUNCH PROC WORKER HOST BOOT PID START SID AT GPUS RC MARKER REASON CODE SIGNAL ENDED EXIT BEAT ERR PROGRESS
#   E COUNT                                   the last line: how many J lines there were
# A job owns its directory and may put anything there: what is no regular file is not opened, text is cut, and a value that
# does not look like one is none.
kedge_look() {
	kedge_host=$(uname -n)
	kedge_boot=-
	IFS= read -r kedge_boot 2>/dev/null < /proc/sys/kernel/random/boot_id
	kedge_free=$(df -Pk . 2>/dev/null | awk 'END { print $4 }')
	printf 'H %s %s %s %s\n' "$kedge_host" "$kedge_boot" "$(date +%s)" "${kedge_free:--}"
	kedge_lines=$(awk -v host="$kedge_host" -v boot="$kedge_boot" "$kedge_awk_lib"'
		function claim(file,    line, n) {
			delete f
			n = (getline line < file)
			close(file)
			if (n <= 0)
				return "-"
			if (!fields(line) || f["token"] != token)
				return "?"
			return f["kind"]
		}
		function judge(    path, line, text, n, v, got) {
			if (f["host"] !~ /^[A-Za-z0-9._-]+$/ || f["pid"] !~ /^[1-9][0-9]*$/ || f["start"] !~ /^[0-9]+$/)
				return "unknown"
			if (f["host"] != host)
				return "elsewhere"
			if (boot == "-" || f["boot"] == "-" || !proc_works)
				return "unknown"
			if (f["boot"] != boot)
				return "rebooted"
			path = "/proc/" f["pid"] "/stat"
			while ((got = (getline line < path)) > 0)
				text = text line " "
			close(path)
			if (text == "")
				return "dead"
			sub(/.*\) /, "", text)
			n = split(text, v, " ")
			if (n < 20)
				return "unknown"
			return (v[1] != "Z" && v[1] != "X" && v[20] == f["start"]) ? "alive" : "dead"
		}
		BEGIN {
			proc_works = (getline line < "/proc/self/stat") > 0
			close("/proc/self/stat")
		}
		NF >= 3 {
			id = $1; n = $2; token = $3
			dir = id "/.kedge/a" n
			launch = claim(dir "/launch")
			worker = launch == "worker" ? judge() : "-"
			go = claim(dir "/go")
			proc = go == "run" ? judge() : "-"
			print id, n, token, go, launch, proc, worker, plain("host", 250), plain("boot", 36), number("pid"), \
				number("start"), number("sid"), number("at"), plain("gpus", 250)
		}' | while read -r id n token kedge_rest; do
		kedge_seen=
		if [ -d "$id" ]; then
			kedge_tree=there
			for kedge_f in "$id"/outputs/[SFp][UAr]* "$id/.kedge/a$n"/*; do
				# no regular file, and not just unseen yet
				[ -f "$kedge_f" ] || [ ! -e "$kedge_f" ] || continue
				case $kedge_f in
				"$id/outputs/SUCCESS") kedge_seen=${kedge_seen}S ;;
				"$id/outputs/FAILED") kedge_seen=${kedge_seen}F ;;
				"$id/outputs/progress.json") kedge_seen=${kedge_seen}p ;;
				"$id/.kedge/a$n/go") kedge_seen=${kedge_seen}g ;;
				"$id/.kedge/a$n/launch") kedge_seen=${kedge_seen}l ;;
				"$id/.kedge/a$n/launch.rc") kedge_seen=${kedge_seen}r ;;
				"$id/.kedge/a$n/exit") kedge_seen=${kedge_seen}e ;;
				"$id/.kedge/a$n/heartbeat") kedge_seen=${kedge_seen}h ;;
				esac
			done
		else
			kedge_tree=gone
			for kedge_f in "$id"*; do
				[ "$kedge_f" = "$id" ] && kedge_tree=there kedge_seen=gl # listed, but stat says no: ask again
			done
		fi
		printf '%s %s %s %s -%s %s\n' "$id" "$n" "$token" $kedge_tree "$kedge_seen" "$kedge_rest"
	done)
	# Which progress files are small enough to be read: one find for all.
	kedge_files=$(printf '%s\n' "$kedge_lines" | awk '$5 ~ /p/ { print $1 "/outputs/progress.json" }')
	# shellcheck disable=SC2086 # ids are plain words
	{
		[ -z "$kedge_files" ] || find $kedge_files -prune -type f -size -9 2>/dev/null
		printf '%s\n' "$kedge_lines"
	} | awk "$kedge_awk_lib"'
		function read_line(file,    line, n) {
			line = ""
			n = (getline line < file)
			close(file)
			return n > 0 ? line : ""
		}
		function listed(letter) { return index(seen, letter) > 0 }
		function ours(file) { delete f; got = read_line(file); return fields(got) && f["token"] == token }
		function last_line(file,    line, last) {
			last = ""
			while ((getline line < file) > 0)
				if (line !~ /^[ \t]*$/)
					last = line
			close(file)
			return foreign(last, 400)
		}
		function whole(file,    line, all) {
			all = ""
			while (length(all) <= 2048 && (getline line < file) > 0)
				all = all line " "
			close(file)
			return length(all) <= 2048 ? foreign(all, 2048) : "-"
		}
		function emit(i, proc) { print head[i], proc, tail[i]; count++ }
		NF == 1 { small[$1] = 1 }
		NF >= 16 {
			id = $1; n = $2; token = $3; tree = $4; seen = $5; go = $6; launch = $7; proc = $8
			dir = id "/.kedge/a" n
			if (go == "-" && listed("g")) go = "?"
			if (launch == "-" && listed("l")) launch = "?"
			rc = "-"
			if (listed("r")) rc = ours(dir "/launch.rc") ? status("rc") : "?"
			exited = "-"
			if (listed("e")) exited = ours(dir "/exit") ? status("exit_code") : "?"
			beat = "-"
			if (listed("h") && ours(dir "/heartbeat")) beat = number("n")
			marker = reason = code = sig = ended = "-"
			for (i = 1; i <= 2; i++) {
				if (!listed(substr("SF", i, 1)))
					continue
				file = id "/outputs/" (i == 1 ? "SUCCESS" : "FAILED")
				if (ours(file)) {
					marker = substr("SF", i, 1)
					reason = plain("reason", 15); code = status("exit_code"); sig = status("signal")
					ended = number("ended")
					break
				}
				if (got == "")
					marker = "?"
			}
			err = (rc != "-" && rc != "?" && rc != "0") ? last_line(dir "/launch.err") : "-"
			progress = (id "/outputs/progress.json") in small ? whole(id "/outputs/progress.json") : "-"
			head[NR] = "J " id " " n " " tree " " go " " launch
			tail[NR] = $9 " " $10 " " $11 " " $12 " " $13 " " $14 " " $15 " " $16 " " rc " " marker " " reason " " code " " sig " " \
				ended " " exited " " beat " " err " " progress
			if ((marker == "-" || marker == "?") && (proc == "dead" || go == "-" || go == "?")) {
				token_of[NR] = token
				sid_of[NR] = proc == "dead" && $12 == $14 ? $14 : "-"
				proc_of[NR] = proc == "-" ? "dead" : proc
				any = 1
			} else {
				emit(NR, proc)
			}
		}
		END {
			# Dead or unclaimed, and no marker: does anything that carries the token live?
			if (any) {
				scan = "cat /proc/[0-9]*/environ 2>/dev/null | tr \"\\000\" \"\\n\" | grep -e ^KEDGE_TOKEN= -e ^LC_ALL=C 2>/dev/null"
				while ((scan | getline line) > 0) {
					works = 1
					if (sub(/^KEDGE_TOKEN=/, "", line))
						lives[line] = 1
				}
				close(scan)
				# A program may have written over its environment.  A session outlives its leader, whose pid is
				# not given away meanwhile: who has that pid now leads another one.
				scan = "cat /proc/[0-9]*/stat 2>/dev/null"
				while ((scan | getline line) > 0) {
					pid = line + 0
					if (sub(/.*\) /, "", line) && split(line, v, " ") > 4 && v[1] != "Z" && v[1] != "X") {
						taken[pid] = 1
						session[v[4]] = 1
					}
				}
				close(scan)
			}
			for (i in token_of) {
				orphans = (token_of[i] in lives) || ((sid_of[i] in session) && !(sid_of[i] in taken))
				emit(i, !works ? "unknown" : orphans ? "orphaned" : proc_of[i])
			}
			print "E", count + 0
		}' | tr -d '\000'
}
# Shared by both: "kedge=1 name=value ..." lines, and foreign text made one field.
kedge_awk_lib='
	function fields(line,    n, i, at, v) {
		n = split(line, v, " ")
		if (v[1] != "kedge=1")
			return 0
		for (i = 2; i <= n; i++)
			if ((at = index(v[i], "=")) > 1)
				f[substr(v[i], 1, at - 1)] = substr(v[i], at + 1)
		return 1
	}
	function foreign(s, max) {
		s = substr(s, 1, max)
		gsub(/%/, "%25", s)
		gsub(/[ \t]/, "%20", s)
		return s == "" ? "-" : s
	}
	function number(name) { return f[name] ~ /^[0-9]+$/ && length(f[name]) <= 15 ? f[name] : "-" }
	function status(name) { return f[name] ~ /^[0-9]+$/ && length(f[name]) <= 3 && f[name] + 0 <= 255 ? f[name] + 0 : "-" }
	function plain(name, max) {
		return f[name] ~ /^[A-Za-z0-9._,:\/?-]+$/ && length(f[name]) <= max ? f[name] : "-"
	}
'
