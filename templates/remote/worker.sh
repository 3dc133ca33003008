# remote/worker.sh
