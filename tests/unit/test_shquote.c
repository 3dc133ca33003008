#include "testing.h"

#include "util/shquote.h"
#include "util/strvec.h"

/* A script may be one argument of exec, which holds 128 KiB. */
enum { WORDS = 4000, SCRIPT_MAX = 120000 };

static void word_expect(const char *s, const char *quoted)
{
	char *got = shquote(s);

	assert_string_equal(got, quoted);
	free(got);
}

static void plain_words_stay_bare(void **state)
{
	(void)state;
	word_expect("train.py", "train.py");
	word_expect("--lr=0.1", "--lr=0.1");
	word_expect("user@host:/a/b_c%d+e,f-g", "user@host:/a/b_c%d+e,f-g");
}

static void every_other_word_is_in_single_quotes(void **state)
{
	char s[2] = { 0 }, want[8];
	int c;

	(void)state;
	word_expect("", "''");
	word_expect("it's", "'it'\\''s'");
	word_expect("'", "''\\'''");
	word_expect("~", "'~'");
	word_expect("a b", "'a b'");
	word_expect("$(rm -rf ~)\n", "'$(rm -rf ~)\n'");
	for (c = 1; c < 256; c++) {
		bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     strchr("_./:=@%+,-", c);

		if (c == '\'')
			continue;
		s[0] = (char)c;
		snprintf(want, sizeof want, plain ? "%s" : "'%s'", s);
		word_expect(s, want);
	}
}

static void words_have_one_blank_between_them(void **state)
{
	struct strvec words = STRVEC_INIT;
	struct strbuf sb = STRBUF_INIT;

	(void)state;
	shquote_add_words(&sb, &words);
	assert_string_equal(sb.buf, "");
	strvec_push(&words, "a");
	strvec_push(&words, "");
	strvec_push(&words, "b c");
	shquote_add_words(&sb, &words);
	assert_string_equal(sb.buf, "a '' 'b c'");
	strvec_release(&words);
	strbuf_release(&sb);
}

/* Short strings of all bytes, the ones shells care for being more frequent. */
static void random_word(char *s, size_t max)
{
	static const char hostile[] = "''\"\\$`!*?[]{}()<>|&;#~ \t\n\r=-";
	size_t i, n = test_random((unsigned int)max);

	for (i = 0; i < n; i++)
		s[i] = (char)(test_random(3) ? hostile[test_random(sizeof hostile - 1)] :
					       (char)(1 + test_random(255)));
	s[n] = '\0';
}

/* One shell prints a batch of words, each followed by a zero. */
static void batch_check(const char *const *shell, const struct strvec *words)
{
	struct strbuf script = STRBUF_INIT, want = STRBUF_INIT, got = STRBUF_INIT;
	const char *argv[6];
	int n = 0;
	size_t i;

	strbuf_addstr(&script, "printf '%s\\0' ");
	shquote_add_words(&script, words);
	for (i = 0; i < words->n; i++)
		strbuf_add(&want, words->v[i], strlen(words->v[i]) + 1);
	while (shell[n])
		argv[n] = shell[n], n++;
	argv[n++] = "-c";
	argv[n++] = script.buf;
	argv[n] = NULL;
	assert_int_equal(test_run(argv, &got), 0);
	assert_int_equal(got.len, want.len);
	assert_memory_equal(got.buf, want.buf, want.len);
	strbuf_release(&script);
	strbuf_release(&want);
	strbuf_release(&got);
}

static void random_words_survive(void **state)
{
	const char *const *shell = *state;
	struct strvec words = STRVEC_INIT;
	size_t bytes = 0, i;
	char s[40];

	if (!test_has_program(shell[0]))
		skip();
	for (i = 0; i < WORDS; i++) {
		random_word(s, sizeof s);
		bytes += 4 * strlen(s) + 4;
		strvec_push(&words, s);
		if (bytes > SCRIPT_MAX - 4 * sizeof s) {
			batch_check(shell, &words);
			strvec_release(&words);
			bytes = 0;
		}
	}
	if (words.n)
		batch_check(shell, &words);
	strvec_release(&words);
}

static const char *const sh[] = { "sh", NULL };
static const char *const dash[] = { "dash", NULL };
static const char *const bash[] = { "bash", NULL };
static const char *const bash_posix[] = { "bash", "--posix", NULL };
static const char *const mksh[] = { "mksh", NULL };
static const char *const ksh[] = { "ksh", NULL };
static const char *const busybox[] = { "busybox", "sh", NULL };

#define SHELL(name) \
	{ "random_words_survive_" #name, random_words_survive, NULL, NULL, (void *)(uintptr_t)name }

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain_words_stay_bare),
		cmocka_unit_test(every_other_word_is_in_single_quotes),
		cmocka_unit_test(words_have_one_blank_between_them),
		SHELL(sh), SHELL(dash), SHELL(bash), SHELL(bash_posix), SHELL(mksh), SHELL(ksh),
		SHELL(busybox),
	};

	return cmocka_run_group_tests_name("shquote", tests, NULL, NULL);
}
