#include "util/signals.h"

#include <signal.h>
#include <stddef.h>

#include "util/error.h"
#include "util/strtab.h"

static const struct strtab names[] = {
	{ SIGINT, "SIGINT" }, { SIGTERM, "SIGTERM" }, { SIGHUP, "SIGHUP" }, { 0, NULL },
};

static volatile sig_atomic_t caught;

static void handle(int sig)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };

	if (!caught) {
		caught = sig;
		return;
	}
	sigaction(sig, &standard, NULL);
	raise(sig); /* pending until we return, then the end */
}

void signals_install(void)
{
	struct sigaction ask = { .sa_handler = handle }; /* no SA_RESTART: waits must wake up */
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old;
	const struct strtab *s;

	sigemptyset(&ask.sa_mask);
	for (s = names; s->word; s++) {
		/* nohup and a shell's "&" mean it */
		if (sigaction(s->value, NULL, &old) == 0 && old.sa_handler == SIG_IGN)
			continue;
		sigaction(s->value, &ask, NULL);
	}
	sigaction(SIGPIPE, &ignore, NULL);
}

int signals_caught(void)
{
	return caught;
}

int signals_check(struct error *err)
{
	int sig = caught;

	if (!sig)
		return 0;
	return error_set(err, ERROR_INTERRUPTED, "stopped by %s", strtab_word(names, sig));
}
