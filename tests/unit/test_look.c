#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "launch/look.h"
#include "util/error.h"
#include "util/strbuf.h"

#define BOOT "ba45c66e-a930-435e-9a3f-d39eb6664069"
#define HEADER "H box " BOOT " 1795308470 1024\n"
#define RUNNING "J id-1 1 there run worker alive dead box " BOOT " 2884 310435 2884 1795308469 0,1 0 - - - - - - 7 - {\"step\":1}\n"
#define FAILED "J id-2 3 there run worker dead dead box " BOOT " 99 5 99 1795308469 none 0 F timeout 143 15 1795308470 143 2 - -\n"
#define REFUSED "J id-3 1 there - worker - dead - - - - - - - 75 - - - - - - - 2%20of%204%20free,%20100%25%20used -\n"

static struct launch_job jobs[3];
static struct launch_facts facts;

static void reset(void)
{
	memset(jobs, 0, sizeof jobs);
	jobs[0] = (struct launch_job){ .job_id = "id-1", .attempt = 1, .token = "t" };
	jobs[1] = (struct launch_job){ .job_id = "id-2", .attempt = 3, .token = "t" };
	jobs[2] = (struct launch_job){ .job_id = "id-3", .attempt = 1, .token = "t" };
}

static int parse(const char *reply, struct error *err)
{
	reset();
	return look_parse(reply, strlen(reply), jobs, 3, &facts, err);
}

static void a_whole_reply_is_understood(void **state)
{
	struct error err = { 0 };

	(void)state;
	assert_int_equal(parse(HEADER RUNNING FAILED REFUSED "E 3\n", &err), 0);
	assert_int_equal(facts.now_ms, 1795308470000);
	assert_int_equal(facts.bytes_free, 1024 * 1024);
	assert_string_equal(facts.host, "box");
	assert_int_equal(jobs[0].seen.tree, OBS_TREE_THERE);
	assert_int_equal(jobs[0].seen.go, OBS_CLAIM_RUN);
	assert_int_equal(jobs[0].seen.proc, OBS_PROC_ALIVE);
	assert_int_equal(jobs[0].seen.pid, 2884);
	assert_int_equal(jobs[0].seen.start, 310435);
	assert_int_equal(jobs[0].seen.heartbeat, 7);
	assert_int_equal(jobs[0].seen.exit_code, -1);
	assert_int_equal(jobs[0].seen.exit_rc, OBS_RC_NONE);
	assert_string_equal(jobs[0].seen.gpus, "0,1");
	assert_string_equal(jobs[0].seen.progress, "{\"step\":1}");
	assert_int_equal(jobs[1].seen.marker, OBS_MARKER_FAILED);
	assert_string_equal(jobs[1].seen.reason, "timeout");
	assert_int_equal(jobs[1].seen.exit_code, 143);
	assert_int_equal(jobs[1].seen.signal, 15);
	assert_int_equal(jobs[1].seen.ended_ms, 1795308470000);
	assert_int_equal(jobs[2].seen.launch_rc, 75);
	assert_int_equal(jobs[2].seen.go, OBS_CLAIM_NONE);
	assert_string_equal(jobs[2].seen.launch_err, "2 of 4 free, 100% used");
}

static void a_reply_that_leaves_out_a_job_is_refused(void **state)
{
	struct error err = { 0 };

	(void)state;
	assert_int_equal(parse(HEADER FAILED "E 1\n", &err), -1);
	assert_int_equal(err.kind, ERROR_PROTOCOL);
	assert_int_equal(jobs[1].seen.tree, OBS_TREE_UNKNOWN);
	assert_int_equal(parse(HEADER RUNNING FAILED REFUSED, &err), -1); /* cut before its last line */
	assert_int_equal(parse(HEADER RUNNING FAILED REFUSED "E 2\n", &err), -1);
	assert_int_equal(parse(HEADER RUNNING FAILED REFUSED "E 3\nE 3\n", &err), -1);
}

static void a_bad_line_spoils_the_whole_reply(void **state)
{
	static const char *const bad[] = {
		"", "\n", "H box\n", HEADER HEADER, RUNNING, HEADER RUNNING RUNNING, HEADER "J\n", HEADER "X id-1 1\n",
		HEADER "J id-9 1 there - - - - - - - - - - - - - - - - - - - - -\n",  /* not asked */
		HEADER "J id-1 2 there - - - - - - - - - - - - - - - - - - - - -\n",  /* another attempt */
		HEADER "J id-1 1 THERE - - - - - - - - - - - - - - - - - - - - -\n",  /* no such word */
		HEADER "J id-1 1 there ran - - - - - - - - - - - - - - - - - - - -\n",
		HEADER "J id-1 1 there - - - - - - -5 - - - - - - - - - - - - - -\n",  /* negative pid */
		HEADER "J id-1 1 there - - - - - - 99999999999 - - - - - - - - - - - - - -\n",
		HEADER "J id-1 1 there - - - - a;b - - - - - - - - - - - - - - - -\n", /* host */
		HEADER "J id-1 1 there - - - - - - - - - - - 256 - - - - - - - - -\n", /* status */
		HEADER "J id-1 1 there - - - - - - - - - - - - - - - - - - - - %41\n", /* escape */
		HEADER "J id-1 1 there - - - - - - - - - - - - - - - - - - - -\n",     /* a field short */
		HEADER "J id-1 1 there - - - - - - - - - - - - - - - - - - - - - -\n", /* a field long */
		HEADER "J id-1 1 there  - - - - - - - - - - - - - - - - - - - - -\n",  /* two blanks */
		HEADER "J id-1 1 there - - - - - - - - - - - - - - - - - - - - -",     /* cut */
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct error err = { 0 };
		if (!parse(bad[i], &err))
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(err.kind, ERROR_PROTOCOL);
		for (int k = 0; k < 3; k++)
			assert_int_equal(jobs[k].seen.tree, OBS_TREE_UNKNOWN);
	}
}

static void good_lines_before_a_bad_one_are_not_taken(void **state)
{
	struct error err = { 0 };

	(void)state;
	assert_int_equal(parse(HEADER RUNNING FAILED "garbage\n", &err), -1);
	assert_int_equal(jobs[0].seen.tree, OBS_TREE_UNKNOWN);
	assert_non_null(strstr(err.text, "line 4"));
}

static void a_nul_byte_is_refused(void **state)
{
	static const char reply[] = HEADER "\0" RUNNING;
	struct error err = { 0 };

	(void)state;
	reset();
	assert_int_equal(look_parse(reply, sizeof reply - 1, jobs, 3, &facts, &err), -1);
	assert_int_equal(err.kind, ERROR_PROTOCOL);
}

static void foreign_text_is_cut_to_fit(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	struct error err = { 0 };

	(void)state;
	strbuf_addstr(&sb, HEADER "J id-1 1 there - - - - - - - - - - - - - - - - - - - ");
	for (int i = 0; i < 4000; i++)
		strbuf_addstr(&sb, "%20x");
	strbuf_addstr(&sb, " -\n" FAILED REFUSED "E 3\n");
	assert_int_equal(parse(sb.buf, &err), 0);
	assert_true(strlen(jobs[0].seen.launch_err) < sizeof jobs[0].seen.launch_err);
	strbuf_release(&sb);
}

/* Every one-byte change of a good reply is either refused whole or leaves fields in their ranges. */
static void mutations_never_break_the_parser(void **state)
{
	static const char good[] = HEADER RUNNING FAILED REFUSED "E 3\n";
	static const char with[] = { '\n', ' ', '-', '?', '%', '\xff', '0', '9', '\0' };
	char copy[sizeof good];
	int refused = 0;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof good; i++)
		for (size_t k = 0; k < sizeof with; k++) {
			memcpy(copy, good, sizeof good);
			copy[i] = with[k];
			reset();
			refused += look_parse(copy, sizeof copy - 1, jobs, 3, &facts, NULL) != 0;
			for (int j = 0; j < 3; j++)
				assert_true(jobs[j].seen.launch_rc >= -2 && jobs[j].seen.launch_rc <= 255);
		}
	assert_true(refused > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_reply_is_understood),
		cmocka_unit_test(a_reply_that_leaves_out_a_job_is_refused),
		cmocka_unit_test(a_bad_line_spoils_the_whole_reply),
		cmocka_unit_test(good_lines_before_a_bad_one_are_not_taken),
		cmocka_unit_test(a_nul_byte_is_refused),
		cmocka_unit_test(foreign_text_is_cut_to_fit),
		cmocka_unit_test(mutations_never_break_the_parser),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
