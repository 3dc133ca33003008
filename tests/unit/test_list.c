#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "launch/list.h"
#include "util/error.h"
#include "util/strbuf.h"

#define ID1 "01a200e1-b9f5-7397-9fdc-14738733ba37"
#define ID2 "01a200e1-efd7-75a0-8dda-e8ee270d7917"
#define ID3 "01a200e2-0000-75a0-8dda-e8ee270d7917"
#define TOKEN "0123456789abcdef0123456789abcdef"
#define HEADER "H 1795308470\n"
#define SUM "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
#define TREE1 "T " ID1 " " SUM " {%0A%20\"a\":%20\"100%25\"%0A}%0A\n"
#define RUNS "A " ID1 " 2 " TOKEN " run 0 - - - box.example 0,1 1795308460 1795308461 -\n"
#define ENDED "A " ID1 " 1 " TOKEN " fence 75 143 15 1795308400 - - - - 1795308450\n"
#define UNKNOWN "A " ID1 " 3 - ? ? ? - - - - - - -\n"
#define LINK "X " ID2 " link\n"
#define TREE3 "T " ID3 " - {}\n"

static int parse(const char *reply, struct listing *l, struct error *err)
{
	*l = (struct listing){ 0 };
	return list_parse(reply, strlen(reply), l, err);
}

static void a_whole_reply_is_understood(void **state)
{
	struct error err = { 0 };
	struct listing l;

	(void)state;
	assert_int_equal(parse(HEADER TREE3 TREE1 RUNS ENDED UNKNOWN LINK "O 2\nE 6\n", &l, &err), 0);
	assert_int_equal(l.now_ms, 1795308470000);
	assert_int_equal(l.others, 2);
	assert_int_equal(l.n, 3);
	assert_string_equal(l.v[0].job_id, ID1); /* in order */
	assert_string_equal(l.v[0].json, "{\n \"a\": \"100%\"\n}\n");
	assert_string_equal(l.v[0].sha256, SUM);
	assert_string_equal(l.v[2].sha256, "");
	assert_null(l.v[0].why);
	assert_int_equal(l.v[0].n, 3);
	assert_int_equal(l.v[0].attempts[0].n, 1);
	assert_int_equal(l.v[0].attempts[0].go, OBS_CLAIM_FENCE);
	assert_int_equal(l.v[0].attempts[0].launch_rc, 75);
	assert_int_equal(l.v[0].attempts[0].exit_rc, 143);
	assert_int_equal(l.v[0].attempts[0].signal, 15);
	assert_int_equal(l.v[0].attempts[0].cancel_ms, 1795308400000);
	assert_int_equal(l.v[0].attempts[0].ended_ms, 1795308450000);
	assert_string_equal(l.v[0].attempts[1].token, TOKEN);
	assert_int_equal(l.v[0].attempts[1].go, OBS_CLAIM_RUN);
	assert_string_equal(l.v[0].attempts[1].host, "box.example");
	assert_string_equal(l.v[0].attempts[1].gpus, "0,1");
	assert_int_equal(l.v[0].attempts[1].exit_rc, OBS_RC_NONE);
	assert_string_equal(l.v[0].attempts[2].token, "");
	assert_int_equal(l.v[0].attempts[2].launch_rc, OBS_RC_PENDING);
	assert_null(l.v[1].json);
	assert_non_null(strstr(l.v[1].why, "link"));
	listing_release(&l);
}

static void an_empty_root_is_an_empty_listing(void **state)
{
	struct error err = { 0 };
	struct listing l;

	(void)state;
	assert_int_equal(parse(HEADER "O 0\nE 0\n", &l, &err), 0);
	assert_int_equal(l.n, 0);
	listing_release(&l);
}

static void a_bad_line_spoils_the_whole_reply(void **state)
{
	static const char *const bad[] = {
		"", "\n", "H\n", "H -\n", "H x\n", HEADER, HEADER "E 0\n", HEADER "O 0\n", "O 0\nE 0\n",
		HEADER HEADER "O 0\nE 0\n", HEADER "O 0\nO 0\nE 0\n", HEADER "O -\nE 0\n", HEADER "O 0\nE 0\nE 0\n",
		HEADER "O 0\nE -\n", HEADER "O 0\nE 1\n", HEADER TREE1 "O 0\nE 0\n", HEADER TREE1 "O 0\nE 2\n",
		HEADER "O 0\n" TREE1 "E 1\n",                       /* after the last of them */
		HEADER "T " ID1 "\nO 0\nE 1\n",                     /* no text */
		HEADER "T " ID1 " \nO 0\nE 1\n",
		HEADER "T " ID1 " {}\nO 0\nE 1\n",
		HEADER "T " ID1 " {} {}\nO 0\nE 1\n",
		HEADER "T " ID1 " 9f86 {}\nO 0\nE 1\n",            /* no hash */
		HEADER "T " ID1 " - {} {}\nO 0\nE 1\n",
		HEADER "T " ID1 " - {%41}\nO 0\nE 1\n",               /* escapes */
		HEADER "T " ID1 " - {%2\nO 0\nE 1\n",
		HEADER "T " ID1 " - {}%\nO 0\nE 1\n",
		HEADER "T ../../etc - {}\nO 0\nE 1\n",                /* no id */
		HEADER "T 01A200E1-b9f5-7397-9fdc-14738733ba37 - {}\nO 0\nE 1\n",
		HEADER "TT " ID1 " - {}\nO 0\nE 1\n",
		HEADER TREE1 TREE1 "O 0\nE 2\n",                    /* twice */
		HEADER TREE1 RUNS RUNS "O 0\nE 3\n",
		HEADER LINK "X " ID2 " file\nO 0\nE 2\n",
		HEADER "X " ID2 " nonesuch\nO 0\nE 1\n",
		HEADER "X " ID2 "\nO 0\nE 1\n",
		HEADER RUNS "O 0\nE 1\n",                           /* an attempt of nothing, of another tree, of none */
		HEADER TREE1 TREE3 RUNS "O 0\nE 3\n",
		HEADER "X " ID1 " link\n" RUNS "O 0\nE 2\n",
		HEADER TREE1 "A " ID1 " 0 " TOKEN " - - - - - - - - - -\nO 0\nE 2\n",
		HEADER TREE1 "A " ID1 " - " TOKEN " - - - - - - - - - -\nO 0\nE 2\n",
		HEADER TREE1 "A " ID1 " 1000000 " TOKEN " - - - - - - - - - -\nO 0\nE 2\n",
		HEADER TREE1 "A " ID1 " 1 0123456789ABCDEF0123456789abcdef - - - - - - - - - -\nO 0\nE 2\n",
		HEADER TREE1 "A " ID1 " 1 0123 - - - - - - - - - -\nO 0\nE 2\n",
		HEADER TREE1 "A " ID1 " 1 " TOKEN " ran - - - - - - - - -\nO 0\nE 2\n",
		HEADER TREE1 "A " ID1 " 1 " TOKEN " run 256 - - - - - - - -\nO 0\nE 2\n",
		HEADER TREE1 "A " ID1 " 1 " TOKEN " run - -1 - - - - - - -\nO 0\nE 2\n",
		HEADER TREE1 "A " ID1 " 1 " TOKEN " run - - ? - - - - - -\nO 0\nE 2\n",
		HEADER TREE1 "A " ID1 " 1 " TOKEN " run - - - 99999999999999999999 - - - - -\nO 0\nE 2\n",
		HEADER TREE1 "A " ID1 " 1 " TOKEN " run - - - - a;b - - - -\nO 0\nE 2\n",
		HEADER TREE1 "A " ID1 " 1 " TOKEN " run - - - - - $(x) - - -\nO 0\nE 2\n",
		HEADER TREE1 "A " ID1 " 1 " TOKEN " run - - - - - - - -\nO 0\nE 2\n",     /* a field short */
		HEADER TREE1 "A " ID1 " 1 " TOKEN " run - - - - - - - - - -\nO 0\nE 2\n", /* a field long */
		HEADER TREE1 "A " ID1 " 1 " TOKEN "  - - - - - - - - - -\nO 0\nE 2\n",    /* two blanks */
		HEADER TREE1 "\nO 0\nE 1\n",
		HEADER TREE1 "O 0\nE 1",                            /* cut */
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct error err = { 0 };
		struct listing l;
		if (!parse(bad[i], &l, &err))
			fail_msg("taken: %s", bad[i]);
		assert_int_equal(err.kind, ERROR_PROTOCOL);
		assert_int_equal(l.n, 0);
		assert_null(l.v);
	}
}

static void a_nul_byte_is_refused(void **state)
{
	static const char reply[] = HEADER "\0" TREE1 "O 0\nE 1\n";
	struct error err = { 0 };
	struct listing l = { 0 };

	(void)state;
	assert_int_equal(list_parse(reply, sizeof reply - 1, &l, &err), -1);
	assert_int_equal(err.kind, ERROR_PROTOCOL);
}

static void a_host_that_does_not_fit_is_refused(void **state)
{
	struct strbuf sb = STRBUF_INIT;
	struct listing l;

	(void)state;
	strbuf_addstr(&sb, HEADER TREE1 "A " ID1 " 1 " TOKEN " run - - - - ");
	for (int i = 0; i < 256; i++)
		strbuf_addch(&sb, 'h');
	strbuf_addstr(&sb, " - - - -\nO 0\nE 2\n");
	assert_int_equal(parse(sb.buf, &l, NULL), -1);
	strbuf_release(&sb);
}

/* Every one-byte change of a good reply is either refused whole or leaves fields in their ranges. */
static void mutations_never_break_the_parser(void **state)
{
	static const char good[] = HEADER TREE1 RUNS ENDED UNKNOWN LINK TREE3 "O 2\nE 6\n";
	static const char with[] = { '\n', ' ', '-', '?', '%', '\xff', '0', '9', 'T', '\0' };
	char copy[sizeof good];
	int refused = 0;

	(void)state;
	for (size_t i = 0; i + 1 < sizeof good; i++)
		for (size_t k = 0; k < sizeof with; k++) {
			struct listing l = { 0 };
			memcpy(copy, good, sizeof good);
			copy[i] = with[k];
			refused += list_parse(copy, sizeof copy - 1, &l, NULL) != 0;
			for (size_t t = 0; t < l.n; t++) {
				assert_true(id_is_uuid(l.v[t].job_id));
				assert_true(!l.v[t].json != !l.v[t].why);
				for (size_t a = 0; a < l.v[t].n; a++)
					assert_true(l.v[t].attempts[a].n > 0 && l.v[t].attempts[a].exit_rc <= 255);
			}
			listing_release(&l);
		}
	assert_true(refused > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_reply_is_understood),
		cmocka_unit_test(an_empty_root_is_an_empty_listing),
		cmocka_unit_test(a_bad_line_spoils_the_whole_reply),
		cmocka_unit_test(a_nul_byte_is_refused),
		cmocka_unit_test(a_host_that_does_not_fit_is_refused),
		cmocka_unit_test(mutations_never_break_the_parser),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
