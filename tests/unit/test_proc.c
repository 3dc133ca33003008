#include "testing.h"

#include <limits.h>
#include <signal.h>
#include <sys/prctl.h>

#include "util/proc.h"

static void the_process_itself_is_alive(void **state)
{
	struct proc p;

	(void)state;
	proc_self(&p);
	assert_int_equal(p.pid, getpid());
	assert_true(p.start > 0);
	assert_int_equal(strlen(p.boot), 36);
	assert_true(*p.host);
	assert_int_equal(proc_alive(&p), ANSWER_YES);
}

/* A child that says who it is and waits for the end of `hold`. */
struct child {
	pid_t pid;
	int hold;
	struct proc self;
};

static void child_start(struct child *c, const char *name)
{
	int say[2], hold[2];
	char byte;

	assert_int_equal(pipe(say), 0);
	assert_int_equal(pipe(hold), 0);
	c->pid = fork();
	assert_true(c->pid >= 0);
	if (c->pid == 0) {
		struct proc self;

		close(hold[1]);
		if (name)
			prctl(PR_SET_NAME, name);
		proc_self(&self);
		if (write(say[1], &self, sizeof self) != sizeof self || read(hold[0], &byte, 1) != 0)
			_exit(1);
		_exit(0);
	}
	close(hold[0]);
	close(say[1]);
	assert_int_equal(read(say[0], &c->self, sizeof c->self), sizeof c->self);
	close(say[0]);
	c->hold = hold[1];
}

static void child_end(struct child *c)
{
	siginfo_t info;

	close(c->hold);
	assert_int_equal(waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOWAIT), 0);
}

static void a_child_is_alive_then_a_zombie_then_gone(void **state)
{
	struct child c;

	(void)state;
	child_start(&c, NULL);
	assert_int_equal(c.self.pid, c.pid);
	assert_int_equal(proc_alive(&c.self), ANSWER_YES);
	child_end(&c);
	assert_int_equal(kill(c.pid, 0), 0); /* not reaped: the pid is still taken */
	assert_int_equal(proc_alive(&c.self), ANSWER_NO);
	assert_int_equal(waitpid(c.pid, NULL, 0), c.pid);
	assert_int_equal(kill(c.pid, 0), -1);
	assert_int_equal(proc_alive(&c.self), ANSWER_NO);
}

static void a_name_that_looks_like_fields_is_not_read_as_some(void **state)
{
	static const char *const names[] = { ") Z 1 1 (", "a b) X 0", ")\n) Z", "((((" };
	struct child c;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(names); i++) {
		child_start(&c, names[i]);
		assert_true(c.self.start > 0);
		assert_int_equal(proc_alive(&c.self), ANSWER_YES);
		child_end(&c);
		waitpid(c.pid, NULL, 0);
	}
}

static void a_pid_used_again_is_another_process(void **state)
{
	struct proc p;

	(void)state;
	proc_self(&p);
	p.start--;
	assert_int_equal(proc_alive(&p), ANSWER_NO);
}

static void a_boot_that_is_over_took_its_processes_along(void **state)
{
	struct proc p;

	(void)state;
	proc_self(&p);
	p.boot[0] = p.boot[0] == '0' ? '1' : '0';
	assert_int_equal(proc_alive(&p), ANSWER_NO);
	p.boot[0] = '\0'; /* never recorded */
	assert_int_equal(proc_alive(&p), ANSWER_UNKNOWN);
}

static void of_another_host_nothing_is_known(void **state)
{
	struct proc p;

	(void)state;
	proc_self(&p);
	snprintf(p.host, sizeof p.host, "some.other.host");
	assert_int_equal(proc_alive(&p), ANSWER_UNKNOWN);
	p.host[0] = '\0';
	assert_int_equal(proc_alive(&p), ANSWER_UNKNOWN);
}

static void numbers_that_are_no_pid_are_dead(void **state)
{
	static const int64_t pids[] = { 0, -1, INT64_MIN, INT64_MAX, (int64_t)INT_MAX + 1, INT64_C(1) << 32 | 1 };
	struct proc p;
	size_t i;

	(void)state;
	proc_self(&p);
	for (i = 0; i < COUNT(pids); i++) {
		p.pid = pids[i];
		assert_int_equal(proc_alive(&p), ANSWER_NO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_process_itself_is_alive),
		cmocka_unit_test(a_child_is_alive_then_a_zombie_then_gone),
		cmocka_unit_test(a_name_that_looks_like_fields_is_not_read_as_some),
		cmocka_unit_test(a_pid_used_again_is_another_process),
		cmocka_unit_test(a_boot_that_is_over_took_its_processes_along),
		cmocka_unit_test(of_another_host_nothing_is_known),
		cmocka_unit_test(numbers_that_are_no_pid_are_dead),
	};

	return cmocka_run_group_tests_name("proc", tests, NULL, NULL);
}
