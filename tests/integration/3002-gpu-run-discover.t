#!/bin/sh
# gpu-run: how it finds out which GPUs a box has. nvidia-smi needs the hardware; here it is played.
. "$srcdir/tests/lib/gpu-run.sh"

unset GPU_RUN_DEVICES
mkdir smi
PATH=$work/smi:$PATH

# smi COMMANDS: what nvidia-smi does
smi() {
	printf '#!/bin/sh\n[ "$*" = "--query-gpu=index --format=csv,noheader" ] || exit 2\n%s\n' "$1" >smi/nvidia-smi
	chmod +x smi/nvidia-smi
}

# tell WANTED NAME ARG...: status, stdout and stderr of gpu-run
tell() {
	wanted=$1 name=$2
	shift 2
	out=$("$gpu_run" "$@" 2>&1)
	is "$? $out" "$wanted" "$name"
}

if command -v nvidia-smi >/dev/null; then
	skip 2 "this box has an nvidia-smi"
else
	tell '0 0 0' "no nvidia-smi: no GPU" --free
	tell '69 gpu-run: this box has no GPU (no nvidia-smi, and GPU_RUN_DEVICES is not set), 1 asked' \
		"no nvidia-smi: a GPU cannot be had" --gpus 1 ./job x
fi
"$gpu_run" --gpus 0 ./job none >none.pid
is $? 0 "no nvidia-smi: a job without GPUs can"
touch none.stop

smi 'printf "0\n1\n2\n3\n"'
tell '0 4 4' "nvidia-smi lists the GPUs" --free
pid=$("$gpu_run" --gpus 2 ./job two)
wait_for test -e two.got
is "$(got two cuda)" 0,1 "they are given by index"
is "$(tr '\0' '\n' <"/proc/$pid/environ" | grep '^CUDA_DEVICE_ORDER=')" CUDA_DEVICE_ORDER=PCI_BUS_ID \
	"CUDA counts them as nvidia-smi does"
tell '0 2 4' "they are taken" --free
touch two.stop
wait_for gone "$pid"

smi 'echo "WARNING: infoROM is corrupted at gpu 0000:3B:00.0"; echo " 1"; printf "0\r\n\n"; echo "7 of 9"; echo 10 >&2; echo "<script>"; echo 1'
tell '0 2 2' "noise around the list is not a GPU" --free
smi 'printf "0\n1"'
tell '0 2 2' "the last line may lack its end" --free
smi 'echo "No devices were found"; exit 6'
tell '69 gpu-run: this box has no GPU (nvidia-smi finds none), 1 asked' "no devices" ./job x
smi ':'
tell '69 gpu-run: this box has no GPU (nvidia-smi lists none), 1 asked' "an empty list" ./job x
smi 'echo "NVIDIA-SMI has failed because it could not talk to the driver."; echo "Make sure it is there."; exit 9'
tell '75 gpu-run: nvidia-smi failed with status 9: NVIDIA-SMI has failed because it could not talk to the driver.' \
	"the driver is away: try later" ./job x
smi 'echo 0; kill -9 $$'
tell '75 gpu-run: nvidia-smi failed with status 137: 0' "a list cut short is no list" ./job x
tell '75 gpu-run: nvidia-smi failed with status 137: 0' "nor for --free" --free

# The driver hangs: the tool does not answer, holds its output open, and does not even die when told.
smi 'echo "$$" >hung; trap "" TERM; echo 0; for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 5; done'
begun=$(date +%s)
GPU_RUN_SMI_TIMEOUT=1 tell '75 gpu-run: nvidia-smi gave no answer within 1 seconds; try later' "nvidia-smi hangs" ./job x
ok "nvidia-smi hangs: there is an answer in time" test $(($(date +%s) - begun)) -lt 20
ok "nvidia-smi hangs: it did" alive "$(cat hung)"
kill -9 "$(cat hung)"
GPU_RUN_DEVICES='5 6' tell '0 2 2' "GPU_RUN_DEVICES comes before nvidia-smi" --free

done_testing
