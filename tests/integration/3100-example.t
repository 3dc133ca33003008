#!/bin/sh
# The example job is a real training: it learns, the same each time, and writes what a job may write.
. "$srcdir/tests/lib/gpu-run.sh"

command -v python3 >/dev/null || skip_all 'no python3 here'

example=$srcdir/contrib/examples/breast-cancer
DATA_DIR=$srcdir/contrib/examples/data
export DATA_DIR
unset OUTPUT_DIR

# json FILE EXPRESSION: of the value v in it
json() { python3 -c 'import json, sys; v = json.load(open(sys.argv[1])); print(eval(sys.argv[2]))' "$1" "$2" 2>&1; }

is "$(sha256sum <"$DATA_DIR/breast_cancer.csv" | cut -d ' ' -f 1)" "$(sed -n 's/.*SHA-256.*`\([0-9a-f]*\)`.*/\1/p' "$DATA_DIR/DATA-LICENSE.md")" \
	"the data is what its licence page describes"
is "$(tail -n +2 "$DATA_DIR/breast_cancer.csv" | awk -F , '{ n[$NF]++ } END { print NR, n[0], n[1] }')" '569 212 357' \
	"569 rows, 212 malignant, 357 benign"

pid=$(OUTPUT_DIR=$work/outputs "$gpu_run" --output train.log "$example/train.py" --epochs 15 --seed 1)
is $? 0 "it starts"
looks=0
broken=0
while alive "$pid" && [ $looks -lt 600 ]; do
	if [ -e outputs/progress.json ]; then
		looks=$((looks + 1))
		case $(json outputs/progress.json '"%d/%d" % (v["step"], v["total"])') in
		*/15) ;;
		*) broken=$((broken + 1)) ;;
		esac
	fi
	sleep 0.05
done
ok "progress.json is read while it runs" test $looks -gt 0
is $broken 0 "and is whole each time"
is "$(json outputs/progress.json 'sorted(v)') $(json outputs/progress.json 'v["step"]')" "['message', 'step', 'total'] 15" \
	"progress.json ends at the last step"
is "$(json outputs/metrics.json 'all(type(x) in (int, float) for x in v.values()) and sorted(v)')" \
	"['accuracy', 'epoch', 'loss', 'seconds', 'train_loss']" "metrics.json is flat, and numbers"
is "$(json outputs/metrics.json 'v["accuracy"] > 0.93')" True \
	"it has learned: test accuracy $(json outputs/metrics.json 'v["accuracy"]')"
is "$(json outputs/model.json 'len(v["means"]), len(v["hidden"]), len(v["output"])')" '(30, 16, 17)' "model.json holds the weights"
is "$(sed -n '1s/.*GPUs: //p' train.log) $(grep -c '^epoch ' train.log)" '0 15' "the log names the GPU and each epoch"
is "$(find outputs | sort | tr '\n' ' ')" 'outputs outputs/metrics.json outputs/model.json outputs/progress.json ' "nothing else is left"

cd "$work" || exit 99
for run in '1 a' '1 b' '2 c'; do
	"$example/train.py" --epochs 1 --seed "${run% *}" --output "${run#* }" >/dev/null
done
ok "the same seed gives the same weights" cmp a/model.json b/model.json
ok "another seed gives others" not cmp a/model.json c/model.json

head -n 100 "$DATA_DIR/breast_cancer.csv" >cut.csv
out=$("$example/train.py" --data cut.csv --output d 2>&1)
is "$? $out" '1 train.py: cut.csv is damaged: it should have 569 rows of 30 numbers and a class' "data cut short is noticed"
out=$("$example/train.py" --data nowhere.csv --output d 2>&1)
is "$? $out" "1 train.py: cannot read nowhere.csv: [Errno 2] No such file or directory: 'nowhere.csv'" "missing data is named"

done_testing
