# look.sh - ask about the attempts listed on descriptor 3.
cd "$root" || return 3
{{{look_lib}}}
kedge_look <&3
