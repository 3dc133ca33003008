# lib.sh - what every remote script begins with.  POSIX sh only.
umask 077
LC_ALL=C
export LC_ALL
root={{root}}
# shellcheck disable=SC2088 # the tilde is meant literally
case $root in '~/'*) root=$HOME/${root#'~/'} ;; esac
