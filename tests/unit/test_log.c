#include "testing.h"

#include <errno.h>
#include <sys/socket.h>

#include "util/log.h"

/* Standard error is a socket that keeps the borders between writes. */
static int reader = -1, standard_error = -1;

static int enter(void **state)
{
	int fds[2];

	(void)state;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds) != 0)
		return -1;
	standard_error = dup(STDERR_FILENO);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	reader = fds[0];
	return 0;
}

static int leave(void **state)
{
	(void)state;
	dup2(standard_error, STDERR_FILENO);
	close(standard_error);
	close(reader);
	log_set_level(LOG_NOTE);
	return 0;
}

/* What the next write brought; "" when there was none. */
static const char *next_write(void)
{
	static char buf[8192];
	ssize_t n = read(reader, buf, sizeof buf - 1);

	buf[n > 0 ? n : 0] = '\0';
	return buf;
}

static void a_line_is_one_write(void **state)
{
	char text[4001], want[4100];

	(void)state;
	log_note("job %d: %s", 42, "running");
	assert_string_equal(next_write(), "kedge: job 42: running\n");
	assert_string_equal(next_write(), "");
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	log_error("%s", text);
	snprintf(want, sizeof want, "kedge: %s\n", text);
	assert_string_equal(next_write(), want);
	assert_string_equal(next_write(), "");
}

static void a_level_shows_itself_and_what_is_more_urgent(void **state)
{
	int level, verbosity;

	(void)state;
	assert_int_equal(log_level(), LOG_NOTE);
	for (verbosity = LOG_ERROR; verbosity <= LOG_DEBUG; verbosity++) {
		log_set_level((enum log_level)verbosity);
		assert_int_equal(log_level(), verbosity);
		for (level = LOG_ERROR; level <= LOG_DEBUG; level++) {
			log_write((enum log_level)level, "x");
			assert_string_equal(next_write(), level <= verbosity ? "kedge: x\n" : "");
		}
	}
}

static void errno_is_preserved(void **state)
{
	int i;

	(void)state;
	errno = EXDEV;
	for (i = 0; i < 2000; i++) /* until nothing more fits and writes fail */
		log_error("x");
	assert_int_equal(errno, EXDEV);
	while (*next_write())
		;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_line_is_one_write, enter, leave),
		cmocka_unit_test_setup_teardown(a_level_shows_itself_and_what_is_more_urgent, enter, leave),
		cmocka_unit_test_setup_teardown(errno_is_preserved, enter, leave),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
