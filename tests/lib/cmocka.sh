# cmocka.sh PROGRAM...: run a cmocka program as a TAP test.  cmocka 1.1.5 says "not ok N # SKIP" of a test that was skipped,
# which counts as a failure.
CMOCKA_MESSAGE_OUTPUT=TAP
export CMOCKA_MESSAGE_OUTPUT
exec 3>&1
status=$(
	{
		{
			"$@" 3>&- 4>&-
			echo $? >&4
		} | sed 's/^not ok \([0-9]* # SKIP\)/ok \1/' >&3
	} 4>&1
)
exit "$status"
