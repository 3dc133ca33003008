#include "config.h"

#include "suite.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "transport/exec.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

enum { PATIENCE_MS = 60000 };

/* One script and what came of it. */
struct outcome {
	int rc, status;
	struct strbuf out, errout;
	struct error err;
	int64_t took_ms;
};

static void run_over(struct transport *t, const struct exec *ex, struct outcome *o)
{
	struct exec copy = *ex;
	int64_t begun = clock_boot_ms();

	*o = (struct outcome){ .status = -1, .out = STRBUF_INIT, .errout = STRBUF_INIT };
	if (copy.deadline == 0)
		copy.deadline = deadline_in_ms(PATIENCE_MS);
	o->rc = exec_run(t, &copy, &o->status, &o->out, &o->errout, &o->err);
	o->took_ms = clock_boot_ms() - begun;
	if (o->rc != 0) { /* outputs are set only on success */
		assert_int_equal(o->status, -1);
		assert_int_equal(o->out.len, 0);
		assert_int_equal(o->errout.len, 0);
		assert_int_equal(o->rc, -1);
	}
}

static void forget(struct outcome *o)
{
	strbuf_release(&o->out);
	strbuf_release(&o->errout);
}

static void run(const struct exec *ex, struct outcome *o)
{
	run_over(suite_transport(), ex, o);
}

/* The far side of many clusters: the login does something else than run what it is asked.  A transport whose commands
   are all replaced by this one, over the transport under test. */
struct other {
	struct transport base;
	const char *command;
};

static struct channel *other_channel(struct transport *t, enum channel_kind kind, const char *command, struct error *err)
{
	assert_string_equal(command, "exec /bin/sh");
	return channel_open(suite_transport(), kind, ((struct other *)t)->command, err);
}

static const struct transport_ops other_ops = { .name = "other", .channel = other_channel };

static void run_instead(const char *command, const struct exec *ex, struct outcome *o)
{
	struct other other = { .base = { .ops = &other_ops }, .command = command };

	run_over(&other.base, ex, o);
}

static void expect_ran(const struct outcome *o, int status)
{
	if (o->rc != 0)
		fail_msg("%s", o->err.text);
	assert_int_equal(o->status, status);
}

static void expect_failure(const struct outcome *o, enum error_kind kind, const char *words)
{
	assert_int_equal(o->rc, -1);
	if (o->err.kind != kind || !strstr(o->err.text, words))
		fail_msg("kind %s, not %s, or not '%s': %s", error_kind_name(o->err.kind), error_kind_name(kind), words,
			 o->err.text);
}

/* --- what a script gives ------------------------------------------------------- */

static void status_and_both_streams_come_back(void **state)
{
	static const int statuses[] = { 0, 1, 3, 255 };

	(void)state;
	for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
		char *script = xasprintf("echo out; echo err >&2; return %d", statuses[i]);
		struct outcome o;

		run(&(struct exec){ .script = script }, &o);
		expect_ran(&o, statuses[i]);
		assert_string_equal(o.out.buf, "out\n");
		assert_string_equal(o.errout.buf, "err\n");
		forget(&o);
		free(script);
	}
}

static void output_is_exact_to_the_byte(void **state)
{
	static const struct {
		const char *script;
		const char *want;
		size_t n;
	} rows[] = {
		{ ":", "", 0 },
		{ "printf 'no newline'", "no newline", 10 },
		{ "printf '\\n'", "\n", 1 },
		{ "printf '\\n\\n\\n'", "\n\n\n", 3 },
		{ "printf 'a\\000b\\377\\r\\n\\001'", "a\0b\377\r\n\001", 7 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct outcome o;

		run(&(struct exec){ .script = rows[i].script }, &o);
		expect_ran(&o, 0);
		assert_int_equal(o.out.len, rows[i].n);
		assert_memory_equal(o.out.buf, rows[i].want, rows[i].n);
		forget(&o);
	}
}

static void outputs_may_be_dropped_and_are_appended(void **state)
{
	struct strbuf out = STRBUF_INIT;
	struct exec ex = { .script = "echo x; echo y >&2", .deadline = deadline_in_ms(PATIENCE_MS) };
	struct error err = { ERROR_NONE };
	int status = -1;

	(void)state;
	strbuf_addstr(&out, "before ");
	assert_ok(exec_run(suite_transport(), &ex, &status, &out, NULL, &err), &err);
	assert_string_equal(out.buf, "before x\n");
	assert_ok(exec_run(suite_transport(), &ex, &status, NULL, NULL, NULL), &err);
	strbuf_release(&out);
}

static void much_output_arrives_whole(void **state)
{
	struct strbuf want = STRBUF_INIT;
	struct outcome o;

	(void)state;
	for (int i = 0; i < 100000; i++)
		strbuf_addf(&want, "line %d of much output\n", i);
	run(&(struct exec){ .script = "awk 'BEGIN { for (i = 0; i < 100000; i++) print \"line \" i \" of much output\" }'" },
	    &o);
	expect_ran(&o, 0);
	assert_int_equal(o.out.len, want.len);
	assert_memory_equal(o.out.buf, want.buf, want.len);
	forget(&o);
	strbuf_release(&want);
}

static void only_the_end_of_stderr_is_kept(void **state)
{
	struct outcome o;

	(void)state;
	run(&(struct exec){ .script = "awk 'BEGIN { for (i = 0; i < 50000; i++) print i }' >&2" }, &o);
	expect_ran(&o, 0);
	assert_int_equal(o.errout.len, 4096);
	assert_string_equal(o.errout.buf + 4096 - 12, "49998\n49999\n");
	forget(&o);
}

static void a_body_of_many_lines_is_read_from_descriptor_3(void **state)
{
	struct strbuf body = STRBUF_INIT;
	struct outcome o;

	(void)state;
	for (int i = 0; i < 5000; i++)
		strbuf_addf(&body, "0190b5a8-0000-7000-8000-%012d 1 /cluster/ml-jobs\n", i);
	run(&(struct exec){ .script = "cat <&3", .body = body.buf }, &o);
	expect_ran(&o, 0);
	assert_string_equal(o.out.buf, body.buf);
	forget(&o);
	run(&(struct exec){ .script = "n=0; while read -r line; do n=$((n + 1)); done <&3; echo $n", .body = body.buf }, &o);
	expect_ran(&o, 0);
	assert_string_equal(o.out.buf, "5000\n");
	forget(&o);
	strbuf_release(&body);
}

static void nothing_in_a_body_is_expanded(void **state)
{
	const char *body = "it's \"quoted\" $(echo ran) `echo ran` $HOME ${x:-y} \\ \\\\ \\\n\n  !! # ; & | < > * ~\n}\nEOF\nEND";
	struct strbuf want = STRBUF_INIT;
	struct outcome o;

	(void)state;
	strbuf_addf(&want, "%s\n", body);
	run(&(struct exec){ .script = "cat <&3", .body = body }, &o);
	expect_ran(&o, 0);
	assert_string_equal(o.out.buf, want.buf);
	forget(&o);
	strbuf_release(&want);
}

static void stdin_is_empty(void **state)
{
	struct outcome o;

	(void)state;
	run(&(struct exec){ .script = "cat; cat <&3; echo end" }, &o);
	expect_ran(&o, 0);
	assert_string_equal(o.out.buf, "end\n");
	forget(&o);
}

static void end_lines_of_others_are_data(void **state)
{
	const char *fake = "END\nEND 0\nEND 0123456789abcdef0123456789abcdef 0\nBEGIN 0123456789abcdef0123456789abcdef\n";
	struct outcome o;

	(void)state;
	run(&(struct exec){ .script = "cat <&3; exit 5", .body = fake }, &o);
	expect_ran(&o, 5);
	assert_string_equal(o.out.buf, fake);
	forget(&o);
}

static void what_stays_behind_is_not_waited_for(void **state)
{
	struct outcome o;
	pid_t pid;

	(void)state;
	run(&(struct exec){ .script = "sleep 60 & echo $!" }, &o);
	expect_ran(&o, 0);
	pid = atoi(o.out.buf);
	assert_true(pid > 1);
	assert_int_equal(kill(pid, SIGKILL), 0); /* and it was not killed */
	forget(&o);
}

/* --- what it cannot tell --------------------------------------------------------- */

static void more_than_the_cap_is_refused_while_reading(void **state)
{
	struct outcome o;

	(void)state;
	run(&(struct exec){ .script = "printf 0123456789", .cap = 10 }, &o);
	expect_ran(&o, 0);
	assert_string_equal(o.out.buf, "0123456789");
	forget(&o);
	run(&(struct exec){ .script = "printf 0123456789x", .cap = 10 }, &o);
	expect_failure(&o, ERROR_PROTOCOL, "larger than 10 bytes");
	run(&(struct exec){ .script = "while :; do echo endless; done", .cap = 100000 }, &o);
	expect_failure(&o, ERROR_PROTOCOL, "larger than 100000 bytes");
	assert_true(o.took_ms < 5000);
}

static void a_deadline_holds(void **state)
{
	struct outcome o;

	(void)state;
	run(&(struct exec){ .script = "sleep 5", .deadline = deadline_in_ms(1000) }, &o);
	expect_failure(&o, ERROR_TIMEOUT, "it began");
	assert_in_range(o.took_ms, 1000, 2500);
}

static void a_deadline_holds_against_endless_noise(void **state)
{
	struct outcome o;

	(void)state;
	run_instead("exec yes", &(struct exec){ .script = ":", .deadline = deadline_in_ms(500) }, &o);
	expect_failure(&o, ERROR_TIMEOUT, "not known");
	assert_in_range(o.took_ms, 500, 2000);
}

static void a_killed_shell_is_no_success(void **state)
{
	struct outcome o;

	(void)state;
	run(&(struct exec){ .script = "echo before; kill -9 $$" }, &o);
	expect_failure(&o, ERROR_NETWORK, "whether it ran to its end is not known");
}

static void a_cut_reply_is_no_success(void **state)
{
	struct outcome o;

	(void)state;
	/* BEGIN and its newline are 39 bytes */
	run_instead("/bin/sh | head -c 50", &(struct exec){ .script = "echo 0123456789012345678901234567890123456789" }, &o);
	expect_failure(&o, ERROR_NETWORK, "the reply was cut; it began");
	run_instead("/bin/sh | head -c 20", &(struct exec){ .script = "echo" }, &o);
	assert_int_equal(o.rc, -1);
}

static void a_cut_script_does_not_run(void **state)
{
	char *path = suite_path("exec-ran"), *script = xasprintf(": >'%s'", path);
	struct strbuf whole = STRBUF_INIT;
	struct outcome o;

	(void)state;
	exec_compose(script, "body", "0123456789abcdef0123456789abcdef", &whole);
	for (size_t n = whole.len - 60; n < whole.len; n += 7) {
		char *command = xasprintf("head -c %zu | /bin/sh", n);

		run_instead(command, &(struct exec){ .script = script, .body = "body" }, &o);
		assert_int_equal(o.rc, -1);
		assert_int_not_equal(access(path, F_OK), 0);
		free(command);
	}
	run_instead("cat | /bin/sh", &(struct exec){ .script = script, .body = "body" }, &o);
	expect_ran(&o, 0);
	forget(&o);
	assert_int_equal(access(path, F_OK), 0);
	strbuf_release(&whole);
	free(script);
	free(path);
}

/* --- what logins do ---------------------------------------------------------------- */

static void noise_of_the_login_is_dropped(void **state)
{
	struct outcome o;

	(void)state;
	run_instead("echo Welcome; echo quota >&2; printf 'no newline'; exec /bin/sh",
		    &(struct exec){ .script = "echo out; echo err >&2" }, &o);
	expect_ran(&o, 0);
	assert_string_equal(o.out.buf, "out\n");
	assert_string_equal(o.errout.buf, "err\n");
	forget(&o);
	run_instead("/bin/sh; echo good-bye; exit 9", &(struct exec){ .script = "echo out; return 3" }, &o);
	expect_ran(&o, 3);
	assert_string_equal(o.out.buf, "out\n");
	forget(&o);
}

/* Both directions are full at once: the noise is longer than any buffer, and so is the body. */
static void much_noise_and_a_large_body_do_not_wedge(void **state)
{
	enum { SIZE = 3 << 20 };
	char *body = xmalloc(SIZE + 1);
	struct outcome o;

	(void)state;
	memset(body, 'b', SIZE);
	for (int i = 99; i < SIZE; i += 100)
		body[i] = '\n';
	body[SIZE] = '\0';
	run_instead("head -c 6000000 /dev/zero | tr '\\0' n; exec /bin/sh",
		    &(struct exec){ .script = "wc -c <&3", .body = body }, &o);
	expect_ran(&o, 0);
	assert_int_equal(atoi(o.out.buf), SIZE + 1); /* the last line was not whole */
	forget(&o);
	free(body);
}

static void a_merged_stderr_is_bearable(void **state)
{
	struct outcome o;

	(void)state;
	run_instead("exec /bin/sh 2>&1", &(struct exec){ .script = "echo out; return 3" }, &o);
	expect_ran(&o, 3);
	assert_string_equal(o.out.buf, "out\n");
	assert_string_equal(o.errout.buf, "");
	forget(&o);
}

static void a_login_that_runs_no_commands_is_quoted(void **state)
{
	struct exec ex = { .script = "echo never" };
	struct outcome o;

	(void)state;
	run_instead("echo 'This account is currently not available.'; exit 1", &ex, &o);
	expect_failure(&o, ERROR_REFUSED, "This account is currently not available.");
	run_instead("printf 'sftp \\033[1monly\\n' >&2; exit 1", &ex, &o);
	expect_failure(&o, ERROR_REFUSED, "sftp \\e[1monly");
	run_instead("exit 1", &ex, &o);
	expect_failure(&o, ERROR_REFUSED, "status 1 without a word");
}

static void an_end_without_a_word_is_no_answer(void **state)
{
	struct outcome o;

	(void)state;
	run_instead("exit 0", &(struct exec){ .script = "echo never" }, &o);
	assert_int_equal(o.rc, -1);
	assert_true(error_is_unknown(o.err.kind));
}

static void an_echo_is_not_taken_for_a_reply(void **state)
{
	struct outcome o;

	(void)state;
	run_instead("exec cat", &(struct exec){ .script = "echo x", .body = "body" }, &o);
	expect_failure(&o, ERROR_REFUSED, "runs no commands");
}

int suite_exec_tests(const struct CMUnitTest **tests)
{
	static const struct CMUnitTest rows[] = {
		cmocka_unit_test(status_and_both_streams_come_back),
		cmocka_unit_test(output_is_exact_to_the_byte),
		cmocka_unit_test(outputs_may_be_dropped_and_are_appended),
		cmocka_unit_test(much_output_arrives_whole),
		cmocka_unit_test(only_the_end_of_stderr_is_kept),
		cmocka_unit_test(a_body_of_many_lines_is_read_from_descriptor_3),
		cmocka_unit_test(nothing_in_a_body_is_expanded),
		cmocka_unit_test(stdin_is_empty),
		cmocka_unit_test(end_lines_of_others_are_data),
		cmocka_unit_test(what_stays_behind_is_not_waited_for),
		cmocka_unit_test(more_than_the_cap_is_refused_while_reading),
		cmocka_unit_test(a_deadline_holds),
		cmocka_unit_test(a_deadline_holds_against_endless_noise),
		cmocka_unit_test(a_killed_shell_is_no_success),
		cmocka_unit_test(a_cut_reply_is_no_success),
		cmocka_unit_test(a_cut_script_does_not_run),
		cmocka_unit_test(noise_of_the_login_is_dropped),
		cmocka_unit_test(much_noise_and_a_large_body_do_not_wedge),
		cmocka_unit_test(a_merged_stderr_is_bearable),
		cmocka_unit_test(a_login_that_runs_no_commands_is_quoted),
		cmocka_unit_test(an_end_without_a_word_is_no_answer),
		cmocka_unit_test(an_echo_is_not_taken_for_a_reply),
	};

	*tests = rows;
	return sizeof rows / sizeof *rows;
}
