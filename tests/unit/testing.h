/*
 * testing - what several unit tests need beside cmocka: a seeded random source, a
 * program run to its end, a function run in a child.
 */
#ifndef TESTS_UNIT_TESTING_H
#define TESTS_UNIT_TESTING_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "util/strbuf.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

/* The same numbers in every run (xorshift), so that a failure comes back. */
static inline unsigned int test_random(unsigned int below)
{
	static uint32_t x = 2463534242u;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x % below;
}

/* Run f in a child with its standard error going to text (may be NULL).  Returns the wait status. */
static inline int test_in_child(void (*f)(void *), void *arg, struct strbuf *text)
{
	char buf[4096];
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		close(fds[1]);
		f(arg);
		_exit(0);
	}
	close(fds[1]);
	while ((n = read(fds[0], buf, sizeof buf)) > 0)
		if (text)
			strbuf_add(text, buf, (size_t)n);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* Run a program; what it prints is appended to out.  Returns the wait status; 127 when it is not there. */
static inline int test_run(const char *const *argv, struct strbuf *out)
{
	char buf[4096];
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		dup2(fds[1], STDOUT_FILENO);
		close(fds[0]);
		close(fds[1]);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	close(fds[1]);
	while ((n = read(fds[0], buf, sizeof buf)) > 0)
		strbuf_add(out, buf, (size_t)n);
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static inline int test_has_program(const char *name)
{
	const char *const argv[] = { "sh", "-c", "command -v \"$0\"", name, NULL };
	struct strbuf out = STRBUF_INIT;
	int status = test_run(argv, &out);

	strbuf_release(&out);
	return status == 0;
}

#endif
