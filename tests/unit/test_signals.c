#include "testing.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>

#include "util/error.h"
#include "util/signals.h"

/* Each case runs in a child: handlers and the caught signal are the process's.  A step that
   fails ends it with its number. */
static void must(int step, int ok)
{
	if (!ok)
		_exit(step);
}

static void the_first_asks(void *arg)
{
	int sig = *(int *)arg;
	struct error err = { 0 };

	signals_install();
	must(1, signals_caught() == 0 && signals_check(&err) == 0 && err.kind == ERROR_NONE);
	raise(sig);
	must(2, signals_caught() == sig);
	must(3, signals_check(&err) == -1 && err.kind == ERROR_INTERRUPTED);
	must(4, signals_check(NULL) == -1);
	fputs(err.text, stderr);
}

static void the_first_signal_asks_and_is_named(void **state)
{
	static const struct {
		int sig;
		const char *text;
	} rows[] = {
		{ SIGINT, "stopped by SIGINT" },
		{ SIGTERM, "stopped by SIGTERM" },
		{ SIGHUP, "stopped by SIGHUP" },
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		struct strbuf text = STRBUF_INIT;
		int sig = rows[i].sig;

		assert_int_equal(test_in_child(the_first_asks, &sig, &text), 0);
		assert_string_equal(text.buf, rows[i].text);
		strbuf_release(&text);
	}
}

static void the_second_ends(void *arg)
{
	const int *sigs = arg;

	signals_install();
	raise(sigs[0]);
	must(1, signals_caught() == sigs[0]);
	raise(sigs[1]);
	_exit(2);
}

static void the_second_signal_ends_the_process_at_once(void **state)
{
	static int rows[][2] = { { SIGINT, SIGINT }, { SIGTERM, SIGTERM }, { SIGINT, SIGTERM }, { SIGHUP, SIGINT } };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		int status = test_in_child(the_second_ends, rows[i], NULL);

		assert_true(WIFSIGNALED(status));
		assert_int_equal(WTERMSIG(status), rows[i][1]);
	}
}

/* A child interrupts the wait; one that is restarted would not end with EINTR, and a read that is
   restarted ends by the alarm. */
static void wait_long(void *arg)
{
	(void)arg;
	signals_install();
	alarm(20);
	if (fork() == 0) {
		poll(NULL, 0, 50);
		kill(getppid(), SIGTERM);
		_exit(0);
	}
	must(1, poll(NULL, 0, 10000) == -1 && errno == EINTR);
	must(2, signals_caught() == SIGTERM);
}

static void a_wait_wakes_up(void **state)
{
	(void)state;
	assert_int_equal(test_in_child(wait_long, NULL, NULL), 0);
}

static void read_long(void *arg)
{
	int fds[2];
	char byte;

	(void)arg;
	signals_install();
	alarm(20);
	must(1, pipe(fds) == 0);
	if (fork() == 0) {
		poll(NULL, 0, 50);
		kill(getppid(), SIGINT);
		_exit(0);
	}
	must(2, read(fds[0], &byte, 1) == -1 && errno == EINTR);
	must(3, signals_caught() == SIGINT);
}

static void a_blocking_read_is_not_restarted(void **state)
{
	(void)state;
	assert_int_equal(test_in_child(read_long, NULL, NULL), 0);
}

static void ignored_before(void *arg)
{
	(void)arg;
	signal(SIGHUP, SIG_IGN);
	signals_install();
	raise(SIGHUP);
	raise(SIGHUP);
	must(1, signals_caught() == 0);
	raise(SIGTERM);
	must(2, signals_caught() == SIGTERM);
}

static void a_signal_that_was_ignored_stays_so(void **state)
{
	(void)state;
	assert_int_equal(test_in_child(ignored_before, NULL, NULL), 0);
}

static void write_nowhere(void *arg)
{
	int fds[2];

	(void)arg;
	signals_install();
	must(1, pipe(fds) == 0);
	close(fds[0]);
	must(2, write(fds[1], "x", 1) == -1 && errno == EPIPE);
	must(3, signals_caught() == 0);
}

static void a_broken_pipe_is_an_error_only(void **state)
{
	(void)state;
	assert_int_equal(test_in_child(write_nowhere, NULL, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_signal_asks_and_is_named),
		cmocka_unit_test(the_second_signal_ends_the_process_at_once),
		cmocka_unit_test(a_wait_wakes_up),
		cmocka_unit_test(a_blocking_read_is_not_restarted),
		cmocka_unit_test(a_signal_that_was_ignored_stays_so),
		cmocka_unit_test(a_broken_pipe_is_an_error_only),
	};

	return cmocka_run_group_tests_name("signals", tests, NULL, NULL);
}
