#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stage/manifest.h"
#include "stage_tree.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

#define NONE "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ONES "1111111111111111111111111111111111111111111111111111111111111111"
#define HEAD "kedge-manifest 1\n"

static void assert_rejected(const char *text, size_t len)
{
	struct manifest m = MANIFEST_INIT;
	struct error err = { 0 };

	if (manifest_parse(text, len, &m, &err) == 0)
		fail_msg("accepted: %s", text);
	assert_int_equal(err.kind, ERROR_CHECKSUM);
	assert_null(m.v);
	assert_int_equal(m.n, 0);
}

static void format_is_the_documented_text(void **state)
{
	struct manifest m = MANIFEST_INIT;
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	manifest_add(&m, ONES, 12, MANIFEST_PROGRAM, "run.sh");
	manifest_add(&m, NONE, 0, MANIFEST_EMPTY_DIR, "code/empty");
	manifest_add(&m, ONES, 9223372036854775807, MANIFEST_FILE, "code/a\nb\\c d");
	manifest_add(&m, NONE, 3, MANIFEST_LINK, "code/link");
	manifest_sort(&m);
	manifest_format(&m, &sb);
	assert_string_equal(sb.buf,
		HEAD
		ONES " 9223372036854775807 100600 code/a\\nb\\\\c d\n"
		NONE " 0 40700 code/empty\n"
		NONE " 3 120777 code/link\n"
		ONES " 12 100700 run.sh\n");
	strbuf_release(&sb);
	manifest_release(&m);
	assert_int_equal(m.n, 0);
}

static void hostile_names_survive_the_round_trip(void **state)
{
	struct manifest m = MANIFEST_INIT, back = MANIFEST_INIT;
	struct strbuf sb = STRBUF_INIT;
	struct error err = { 0 };

	(void)state;
	for (size_t i = 0; tree_hostile_names[i]; i++)
		manifest_add(&m, ONES, (int64_t)i, MANIFEST_FILE, tree_hostile_names[i]);
	manifest_sort(&m);
	manifest_format(&m, &sb);
	if (manifest_parse(sb.buf, sb.len, &back, &err) != 0)
		fail_msg("%s", err.text);
	assert_int_equal(back.n, m.n);
	for (size_t i = 0; i < m.n; i++) {
		assert_string_equal(back.v[i].path, m.v[i].path);
		assert_string_equal(back.v[i].sha256, ONES);
		assert_true(back.v[i].size == m.v[i].size);
		assert_int_equal(back.v[i].mode, MANIFEST_FILE);
	}
	strbuf_release(&sb);
	manifest_release(&m);
	manifest_release(&back);
}

static void empty_manifest_is_its_first_line(void **state)
{
	struct manifest m = MANIFEST_INIT;
	struct error err = { 0 };

	(void)state;
	assert_int_equal(manifest_parse(HEAD, sizeof HEAD - 1, &m, &err), 0);
	assert_int_equal(m.n, 0);
	manifest_release(&m);
}

static void anything_but_the_grammar_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "kedge-manifest 1", "kedge-manifest 2\n", "kedge-manifest 1 \n", "\n" HEAD,
		HEAD "\n",
		HEAD ONES " 1 100600 a",              /* cut */
		HEAD ONES " 1 100600 \n",
		HEAD ONES " 1 100600\n",
		HEAD ONES "1 1 100600 a\n",
		HEAD "111 1 100600 a\n",
		HEAD "111111111111111111111111111111111111111111111111111111111111111G 1 100600 a\n",
		HEAD "111111111111111111111111111111111111111111111111111111111111111A 1 100600 a\n",
		HEAD ONES "  1 100600 a\n",
		HEAD ONES " -1 100600 a\n",
		HEAD ONES " +1 100600 a\n",
		HEAD ONES " 01 100600 a\n",
		HEAD ONES " 9223372036854775808 100600 a\n",
		HEAD ONES " 1 0100600 a\n",
		HEAD ONES " 1 100680 a\n",
		HEAD ONES " 1 1006000 a\n",
		HEAD ONES " 1 10600 a\n",             /* a fifo */
		HEAD ONES " 1 40755 a\n",
		HEAD ONES " 1 600 a\n",
		HEAD ONES " 1 100600 /a\n",
		HEAD ONES " 1 100600 ../a\n",
		HEAD ONES " 1 100600 a/./b\n",
		HEAD ONES " 1 100600 a//b\n",
		HEAD ONES " 1 100600 a\\\n",
		HEAD ONES " 1 100600 a\\x\n",
		HEAD ONES " 1 100600 b\n" ONES " 1 100600 a\n",
		HEAD ONES " 1 100600 a\n" ONES " 1 100600 a\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_rejected(bad[i], strlen(bad[i]));
	assert_rejected(HEAD ONES " 1 100600 a\0b\n", sizeof HEAD ONES " 1 100600 a\0b\n" - 1);
}

static void every_cut_of_a_manifest_but_at_a_line_is_refused(void **state)
{
	static const char text[] = HEAD ONES " 10 100600 a\\\\b\n" NONE " 0 40700 b\n";

	(void)state;
	for (size_t n = 0; n < sizeof text - 1; n++) {
		struct manifest m = MANIFEST_INIT;
		char *cut = xmemdup(text, n ? n : 1); /* no byte after it, so that a sanitizer sees a step too far */

		assert_int_equal(manifest_parse(cut, n, &m, NULL) == 0, n > 0 && text[n - 1] == '\n');
		manifest_release(&m);
		free(cut);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(format_is_the_documented_text),
		cmocka_unit_test(hostile_names_survive_the_round_trip),
		cmocka_unit_test(empty_manifest_is_its_first_line),
		cmocka_unit_test(anything_but_the_grammar_is_refused),
		cmocka_unit_test(every_cut_of_a_manifest_but_at_a_line_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
