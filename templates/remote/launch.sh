# remote/launch.sh
