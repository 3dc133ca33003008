# lib.sh - what every remote script begins with.  POSIX sh only.
umask 077
LC_ALL=C
export LC_ALL
root={{root}}
case $root in '~/'*) root=$HOME/${root#'~/'} ;; esac
