# remote/look.sh
