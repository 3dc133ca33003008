# remote/probe.sh
