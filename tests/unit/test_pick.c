#include "testing.h"

#include "stage/pick.h"
#include "util/error.h"
#include "util/xalloc.h"

static bool wants(const char *pattern, const char *path)
{
	struct pick p = PICK_INIT;
	struct error err = { 0 };
	bool yes;

	if (pick_add(&p, pattern, &err) != 0)
		fail_msg("%s", err.text);
	pick_finish(&p);
	yes = pick_wants(&p, path);
	pick_release(&p);
	return yes;
}

static void patterns_match_as_told(void **state)
{
	static const struct {
		const char *pattern, *yes, *no;
	} rows[] = {
		{ "outputs", "outputs", "output" },
		{ "outputs", "outputs/a/b", "outputsx" },
		{ "outputs/", "outputs/a", "x/outputs" },
		{ "./outputs/a", "outputs/a/b", "outputs/ab" },
		{ "outputs/*.pt", "outputs/a.pt", "outputs/a/b.pt" },
		{ "outputs/*.pt", "outputs/.pt", "outputs/a.pth" },
		{ "outputs/*/x", "outputs/a/x", "outputs/x" },
		{ "outputs/**/x", "outputs/x", "outputs/xy" },
		{ "outputs/**/x", "outputs/a/b/x/below", "x" },
		{ "**/x/**/y", "a/x/b/x/c/y", "y/x" },
		{ "**", "a/b", ".kedge/a1/outputs/x" },
		{ "*", "a/b", ".kedge" },
		{ "?", "\xc3\xa4", "ab" },
		{ "??", "\xff\xfe", "\xc3\xa4" },
		{ "a?c", "a\nc", "ac" },
		{ "[a-c]x", "bx", "dx" },
		{ "[!a-c]x", "dx", "bx" },
		{ "[^a]", "b", "a" },
		{ "[]a]", "]", "b" },
		{ "[a-]", "-", "b" },
		{ "[\\]]", "]", "\\" },
		{ "a[", "a[", "a" },
		{ "[ab", "[ab", "a" },
		{ "\\*", "*", "a" },
		{ "a\\", "a\\", "a" },
		{ "a*b*c", "axxbxbxc", "axxcxb" },
		{ "*a*a*a*a*a*b", "aaaaaaab", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
		{ ".kedge/a1/outputs/**", ".kedge/a1/outputs/x", ".kedge/a1/run.sh" },
		{ ".kedge/a12/logs", ".kedge/a12/logs/x", ".kedge/a1/logs/x" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (!wants(rows[i].pattern, rows[i].yes))
			fail_msg("'%s' does not match '%s'", rows[i].pattern, rows[i].yes);
		if (wants(rows[i].pattern, rows[i].no))
			fail_msg("'%s' matches '%s'", rows[i].pattern, rows[i].no);
	}
}

static void a_pattern_that_leads_elsewhere_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "/", "/etc", "..", "../x", "a/../b", "a//b", "./", "a/.", ".kedge", ".kedge/", ".kedge/*", ".kedge/**", ".kedge/a1", ".kedge/a*/outputs",
		".kedge/a1/run.sh", ".kedge/a/outputs", ".kedge/a0/outputs", ".kedge/job.json", "./.kedge/a1",
	};
	struct pick p = PICK_INIT;

	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct error err = { 0 };

		if (pick_add(&p, bad[i], &err) == 0)
			fail_msg("'%s' is taken", bad[i]);
		assert_int_equal(err.kind, ERROR_USAGE);
	}
	assert_int_equal(p.n, 0);
	pick_release(&p);
}

static void assert_roots(const char *const *patterns, const char *want)
{
	struct pick p = PICK_INIT;
	struct strbuf got = STRBUF_INIT;

	for (; *patterns; patterns++)
		assert_int_equal(pick_add(&p, *patterns, NULL), 0);
	pick_finish(&p);
	for (size_t i = 0; i < p.roots.n; i++)
		strbuf_addf(&got, "%s%s", i ? " " : "", p.roots.v[i]);
	assert_string_equal(got.buf, want);
	strbuf_release(&got);
	pick_release(&p);
}

static void no_root_is_below_another(void **state)
{
	(void)state;
	assert_roots((const char *[]){ "outputs", "logs", NULL }, "./outputs ./logs");
	assert_roots((const char *[]){ "outputs/a", "outputs", "outputs/b/*", "outputs", NULL }, "./outputs");
	assert_roots((const char *[]){ "outputs/*.pt", "outputsx", NULL }, "./outputs ./outputsx");
	assert_roots((const char *[]){ "outputs/a", "**/x", ".kedge/a1/outputs/x", NULL }, ". ./.kedge/a1/outputs/x");
	assert_roots((const char *[]){ "[a]/b", "*", NULL }, ".");
	assert_roots((const char *[]){ "-x/$(y)", NULL }, "./-x/$(y)");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match_as_told),
		cmocka_unit_test(a_pattern_that_leads_elsewhere_is_refused),
		cmocka_unit_test(no_root_is_below_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
