# kedge_lib.sh
