# remote/fence.sh
