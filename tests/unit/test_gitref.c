#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "config/gitref.h"
#include "testing.h"
#include "util/error.h"

static const struct {
	const char *source, *url, *rev;
	bool local, dirty;
} good[] = {
	{ "git:.@HEAD", ".", "HEAD", true, false },
	{ "git:.@HEAD+dirty", ".", "HEAD", true, true },
	{ "git:/a@b/c@main", "/a@b/c", "main", true, false },
	{ "git:../x@v1.0~3", "../x", "v1.0~3", true, false },
	{ "git:.@HEAD@{1}", ".", "HEAD@{1}", true, false },
	{ "git:.@feature/x^2", ".", "feature/x^2", true, false },
	{ "git:./-x@main", "./-x", "main", true, false },
	{ "git:a/b:c@main", "a/b:c", "main", true, false },
	{ "git:https://example.org/x.git@main", "https://example.org/x.git", "main", false, false },
	{ "git:https://me@example.org:8443/x@v1", "https://me@example.org:8443/x", "v1", false, false },
	{ "git:git@example.org:x/y.git@0123456789abcdef", "git@example.org:x/y.git", "0123456789abcdef", false, false },
	{ "git:ssh://git@example.org/x@b+c", "ssh://git@example.org/x", "b+c", false, false },
	{ "git:file:///srv/x.git@main", "file:///srv/x.git", "main", false, false },
};

static void sources_are_taken_apart_and_put_together(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(good); i++) {
		struct gitref ref;
		struct error err;
		char *text;

		assert_true(gitref_is(good[i].source));
		if (gitref_parse(good[i].source, &ref, &err) != 0)
			fail_msg("%s: %s", good[i].source, err.text);
		assert_string_equal(ref.url, good[i].url);
		assert_string_equal(ref.rev, good[i].rev);
		assert_int_equal(ref.local, good[i].local);
		assert_int_equal(ref.dirty, good[i].dirty);
		text = gitref_text(&ref);
		assert_string_equal(text, good[i].source);
		free(text);
		gitref_release(&ref);
	}
	assert_false(gitref_is("local:git:x"));
	assert_false(gitref_is("git"));
}

static const struct {
	const char *source, *says;
} bad[] = {
	{ "git:", "'git:' names no revision" },
	{ "git:x", "'git:x' names no revision; write git:URL@REV" },
	{ "git:@main", "names no repository" },
	{ "git:.@", "names no revision" },
	{ "git:.@+dirty", "names no revision" },
	{ "git:git@example.org:x", "'example.org:x' is no revision" },
	{ "git:.@--output=/tmp/x", "'--output=/tmp/x' is no revision" },
	{ "git:.@-x", "is no revision" },
	{ "git:.@^main", "is no revision" },
	{ "git:.@a..b", "is no revision" },
	{ "git:.@HEAD:sub", "is no revision" },
	{ "git:.@:/text", "is no revision" },
	{ "git:.@a b", "is no revision" },
	{ "git:--upload-pack=touch x@main", "begins with '-'" },
	{ "git:-x@main", "begins with '-'; write ./-x" },
	{ "git:ext::sh -c id@main", "are taken" },
	{ "git:ext::sh@main", "are taken" },
	{ "git:https::http://x/y@main", "are taken" },
	{ "git:ftp://example.org/x@main", "are taken" },
	{ "git:ext://x/y@main", "are taken" },
	{ "git:ssh://-oProxyCommand=id/x@main", "is no URL" },
	{ "git:ssh://me@-oProxyCommand=id/x@main", "is no URL" },
	{ "git:me@-oProxyCommand=id:x@main", "is no URL" },
	{ "git:https://me:secret@example.org/x@main", "password" },
	{ "git:https://me:secret@example.org/x", "is no URL" },
	{ "git:https://example.org@main", "is no URL" },
	{ "git:host:@main", "is no URL" },
	{ "git:https://example.org/x@main+dirty", "+dirty goes with a path" },
	{ "git:file:///x@main+dirty", "+dirty goes with a path" },
};

static void what_could_do_harm_or_means_nothing_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct gitref ref;
		struct error err;

		if (gitref_parse(bad[i].source, &ref, &err) == 0)
			fail_msg("%s is taken", bad[i].source);
		assert_int_equal(err.kind, ERROR_SPEC);
		if (!strstr(err.text, bad[i].says))
			fail_msg("%s: %s", bad[i].source, err.text);
	}
}

static void too_long_revision_is_refused(void **state)
{
	char source[GITREF_MAX_REV + 20] = "git:.@";
	struct gitref ref;

	(void)state;
	memset(source + 6, 'a', GITREF_MAX_REV);
	assert_int_equal(gitref_parse(source, &ref, NULL), 0);
	gitref_release(&ref);
	source[6 + GITREF_MAX_REV] = 'a';
	assert_int_equal(gitref_parse(source, &ref, NULL), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sources_are_taken_apart_and_put_together),
		cmocka_unit_test(what_could_do_harm_or_means_nothing_is_refused),
		cmocka_unit_test(too_long_revision_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
