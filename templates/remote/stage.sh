# remote/stage.sh
