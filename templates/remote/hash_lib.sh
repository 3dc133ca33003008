# hash_lib.sh - what to hash with: included by stage.sh and fetch_hash.sh.
kedge_empty=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
# shellcheck disable=SC2089 # one word wherever it is used
kedge_py='import hashlib, sys
for name in sys.argv[1:] or [0]:
	h = hashlib.sha256()
	with open(name, "rb") as f:
		for block in iter(lambda: f.read(1 << 20), b""):
			h.update(block)
	print(h.hexdigest())'
# shellcheck disable=SC2090
export kedge_py

# kedge_hash: a command that prints a line that begins with the hash for each file named, or for its input;
# kedge_method: its name, empty when there is none that works with xargs and awk.
kedge_choose() {
	for kedge_method in openssl sha256sum shasum python3 busybox; do
		case $kedge_method in
		openssl) kedge_hash='openssl dgst -sha256 -r' ;;
		sha256sum) kedge_hash='sha256sum' ;;
		shasum) kedge_hash='shasum -a 256' ;;
		python3) kedge_hash='python3 -c "$kedge_py"' ;;
		busybox) kedge_hash='busybox sha256sum' ;;
		esac
		case $(eval "$kedge_hash" < /dev/null 2> /dev/null) in
		"$kedge_empty"*)
			kedge_try=$({ printf 'a b\0' | xargs -0 sh -c 'echo "$1"' sh | awk '{ print substr($0, 1, 64) }'; } 2> /dev/null)
			[ "$kedge_try" = 'a b' ] && return 0
			;;
		esac
	done
	kedge_method=
}
