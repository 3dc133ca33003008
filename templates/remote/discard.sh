# remote/discard.sh
