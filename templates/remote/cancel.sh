# remote/cancel.sh
