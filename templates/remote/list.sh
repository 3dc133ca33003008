# list.sh - what stands below root, for a client that has lost its database: every tree that says what it is, and the attempts in it.
# A constant number of forks: the shell lists, one find tells what is a small regular file, awk reads those.
# Reply, fields separated by one blank, "-" for none, "?" for there but not readable (in text a blank is %20, a newline %0A, % is %25):
#   H NOW
#   T ID SHA256 JSON                          a tree, what its manifest says of its job.json, and that
#   A ID N TOKEN GO RC EXIT SIGNAL CANCEL HOST GPUS LAUNCHED STARTED ENDED
#   X ID WHY                                  named like a job, and none: link, file, foreign, json, many
#   O COUNT                                   other names below root, which are not looked at
#   E COUNT                                   the last line: how many T, A and X lines there were
# The A lines of a tree follow its T line.  Everything here may have been written by a job.
cd "$root" || return 3
printf 'H %s\n' "$(date +%s)"
kedge_list() {
	kedge_others=0
	for id in *; do
		case $id in
		????????-????-????-????-????????????) ;;
		*) [ ! -e "$id" ] || kedge_others=$((kedge_others + 1)); continue ;;
		esac
		case $id in *[!0-9a-f-]*) kedge_others=$((kedge_others + 1)); continue ;; esac
		if [ -L "$id" ]; then
			echo "X $id link"
		elif [ ! -d "$id" ]; then
			echo "X $id file"
		elif [ -L "$id/.kedge" ] || [ ! -d "$id/.kedge" ]; then
			echo "X $id foreign"
		else
			echo "T $id"
			kedge_count=0
			for kedge_a in "$id"/.kedge/a[1-9]*; do
				n=${kedge_a##*/a}
				case $n in *[!0-9]* | ???????*) continue ;; esac
				[ -d "$kedge_a" ] && [ ! -L "$kedge_a" ] || continue
				kedge_count=$((kedge_count + 1))
				[ $kedge_count -le 1000 ] || break
				echo "N $id $n"
			done
			[ $kedge_count -le 1000 ] || echo "M $id"
		fi
	done
	echo "O $kedge_others"
}
kedge_lines=$(kedge_list)
# What cannot be opened safely is left out here: a pipe, a link, a file without an end.
{
	printf '%s\n' "$kedge_lines" | awk '
		$1 == "T" { print $2 "/.kedge/job.json"; print $2 "/.kedge/manifest" }
		$1 == "N" {
			n = split("go launch launch.rc exit cancel run.sh", v, " ")
			for (i = 1; i <= n; i++)
				print $2 "/.kedge/a" $3 "/" v[i]
		}
		END { print "." }' | xargs sh -c 'exec find "$@" -prune -type f \( -size -9 -o -name job.json -size -2049 -o -name manifest -size -32769 \) 2>/dev/null' find
	printf '%s\n' "$kedge_lines"
} | awk '
	function fields(line,    n, i, at, v) {
		n = split(line, v, " ")
		if (v[1] != "kedge=1")
			return 0
		for (i = 2; i <= n; i++)
			if ((at = index(v[i], "=")) > 1)
				f[substr(v[i], 1, at - 1)] = substr(v[i], at + 1)
		return 1
	}
	function number(name) { return f[name] ~ /^[0-9]+$/ && length(f[name]) <= 15 ? f[name] : "-" }
	function status(name) { return f[name] ~ /^[0-9]+$/ && length(f[name]) <= 3 && f[name] + 0 <= 255 ? f[name] + 0 : "-" }
	function plain(name) { return f[name] ~ /^[A-Za-z0-9._,:\/?-]+$/ && length(f[name]) <= 250 ? f[name] : "-" }
	function is_token(s) { return length(s) == 32 && s !~ /[^0-9a-f]/ }
	# The token of all files of the attempt is that of the first which has one.
	function read_file(name,    line, got) {
		delete f
		line = ""
		if (!((dir "/" name) in small))
			return 0
		got = (getline line < (dir "/" name))
		close(dir "/" name)
		if (got <= 0 || !fields(line) || !is_token(f["token"]))
			return -1
		if (token == "-")
			token = f["token"]
		return f["token"] == token ? 1 : -1
	}
	function read_stub(    line, v, file) {
		file = dir "/run.sh"
		if (!(file in small) || (getline line < file) <= 0 || (getline line < file) <= 0)
			line = ""
		close(file)
		if (split(line, v, " ") >= 2 && v[1] == "KEDGE_ATTEMPT=" n && sub(/^KEDGE_TOKEN=/, "", v[2]) && is_token(v[2]))
			token = v[2]
	}
	function word(got, value) { return got > 0 ? value : got < 0 ? "?" : "-" }
	function attempt(    go, rc, ended, tail, got, launched) {
		token = "-"
		dir = id "/.kedge/a" n
		got = read_file("go")
		go = word(got, f["kind"] == "run" || f["kind"] == "fence" ? f["kind"] : "?")
		tail = go == "run" ? plain("host") " " plain("gpus") : "- -"
		started = go == "run" ? number("at") : "-"
		launched = read_file("launch") > 0 ? number("at") : "-"
		got = read_file("launch.rc")
		rc = word(got, status("rc"))
		got = read_file("exit")
		ended = got > 0 ? number("ended") : "-"
		rc = rc " " word(got, status("exit_code")) " " (got > 0 ? status("signal") : "-")
		if (token == "-")
			read_stub()
		rc = rc " " (read_file("cancel") > 0 ? number("at") : "-")
		print "A " id " " n " " token " " go " " rc " " tail " " launched " " started " " ended "\n"
		count++
	}
	# The manifest is in the order of the bytes, so that what is in .kedge/ comes first.
	function manifest(    file, line, v, i, sum) {
		file = id "/.kedge/manifest"
		sum = "-"
		if (file in small)
			for (i = 0; i < 8 && (getline line < file) > 0; i++)
				if (split(line, v, " ") == 4 && v[4] == ".kedge/job.json" && length(v[1]) == 64 && v[1] !~ /[^0-9a-f]/)
					sum = v[1]
		close(file)
		return sum
	}
	# Written piece by piece; 0 when nothing could be read, or all of them together are too much.
	function tree(    file, line, any) {
		file = id "/.kedge/job.json"
		any = 0
		while (total < 33554432 && (getline line < file) > 0) {
			total += length(line) + 1
			gsub(/%/, "%25", line)
			gsub(/[ \t]/, "%20", line)
			if (!any)
				print "T " id " " manifest() " "
			print line "%0A"
			any = 1
		}
		close(file)
		if (any)
			print "\n"
		return any
	}
	function refuse(why) { print "X " id " " why "\n"; count++ }
	BEGIN { ORS = "" }
	NF == 1 { small[$1] = 1; next }
	{ id = $2; n = $3 }
	$1 == "M" { many[id] = 1 }
	{ kind[NR] = $1; ids[NR] = id; ns[NR] = n; last = NR }
	END {
		for (i = 1; i <= last; i++) {
			id = ids[i]
			n = ns[i]
			if (kind[i] == "X")
				refuse(n)
			else if (kind[i] == "T" && id in many)
				refuse("many")
			else if (kind[i] == "T" && !(((id "/.kedge/job.json") in small) && tree()))
				refuse("json")
			else if (kind[i] == "T") {
				good[id] = 1
				count++
			} else if (kind[i] == "N" && id in good)
				attempt()
			else if (kind[i] == "O")
				print "O " id "\n"
		}
		print "E " (count + 0) "\n"
	}' | tr -d '\000'
