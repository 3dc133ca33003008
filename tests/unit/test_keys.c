#include "testing.h"

#include <ctype.h>

#include "config_dir.h"

#include "config/keys.h"
#include "config/text.h"
#include "config/value.h"
#include "util/error.h"
#include "util/strvec.h"

/* Values of a key: what each gives, or the error it makes. */
struct value {
	const char *section, *name, *value;
	int64_t number;
	const char *error; /* NULL: good */
};

static void check(const struct value *v)
{
	struct error err = { 0 };
	int64_t n = -7;
	int rc = keys_check(keys_find(v->section, v->name), v->value, &n, &err);

	if (v->error) {
		assert_int_equal(rc, -1);
		assert_string_equal(err.text, v->error);
		assert_int_equal(err.kind, ERROR_CONFIG);
		assert_int_equal(n, -7);
	} else {
		if (rc)
			print_error("%s = %s: %s\n", v->name, v->value, err.text);
		assert_int_equal(rc, 0);
		assert_int_equal(n, v->number);
	}
}

static void every_row_has_a_sentence_and_a_default_it_accepts(void **state)
{
	(void)state;
	for (const struct key *key = keys; key->section; key++) {
		struct error err = { 0 };

		assert_true(strlen(key->doc) > 10);
		assert_true(isupper((unsigned char)key->doc[0]));
		assert_int_equal(key->doc[strlen(key->doc) - 1], '.');
		assert_ptr_equal(keys_find(key->section, key->name), key);
		if (key->value && keys_check(key, key->value, NULL, &err))
			fail_msg("default of %s: %s", key->name, err.text);
		if (key->type == KEY_WORD)
			assert_non_null(key->words);
	}
	assert_int_equal(keys_count(), 1 + 21 + 12);
}

static void defaults_take_the_keys_of_a_cluster_but_not_of_a_job(void **state)
{
	(void)state;
	assert_ptr_equal(keys_find("defaults", "port"), keys_find("cluster", "port"));
	assert_non_null(keys_find("defaults", "cluster"));
	assert_null(keys_find("cluster", "cluster"));
	assert_null(keys_find("defaults", "entry"));
	assert_null(keys_find("job", "port"));
}

static void names_of_a_section_end_with_null(void **state)
{
	const char **names = keys_names("job");
	size_t n = 0;

	(void)state;
	while (names[n])
		n++;
	assert_int_equal(n, 12);
	assert_string_equal(names[0], "name");
	free(names);
}

static void an_unknown_key_names_the_nearest_one(void **state)
{
	struct error err;

	(void)state;
	assert_null(keys_need("job", "gpu", "[job]", &err));
	assert_string_equal(err.text, "unknown key 'gpu' in [job]; did you mean 'gpus'?");
	assert_null(keys_need("cluster", "hots", "[cluster a]", &err));
	assert_string_equal(err.text, "unknown key 'hots' in [cluster a]; did you mean 'host'?");
	assert_null(keys_need("job", "wallpaper", "[job]", &err));
	assert_string_equal(err.text, "unknown key 'wallpaper' in [job]");
	assert_null(keys_need("job", "gpus\n\033[2J", "[job]", NULL));
}

static void numbers_are_checked_with_their_range(void **state)
{
	static const struct value values[] = {
		{ "cluster", "port", "22", 22 },
		{ "cluster", "port", "1", 1 },
		{ "cluster", "port", "65535", 65535 },
		{ "cluster", "port", "0", 0, "port: '0' is not within 1 to 65535" },
		{ "cluster", "port", "65536", 0, "port: '65536' is not within 1 to 65535" },
		{ "cluster", "port", "-22", 0, "port: '-22' is not within 1 to 65535" },
		{ "cluster", "port", "99999999999999999999", 0,
		  "port: '99999999999999999999' is not within 1 to 65535" },
		{ "cluster", "port", "22x", 0, "port: '22x' is not a whole number" },
		{ "cluster", "port", "+22", 0, "port: '+22' is not a whole number" },
		{ "cluster", "port", "0x16", 0, "port: '0x16' is not a whole number" },
		{ "cluster", "port", "", 0, "port: no value" },
		{ "cluster", "max_running", "100000", 100000 },
		{ "cluster", "max_logins", "0", 0 },
		{ "cluster", "max_logins", "1001", 0, "max_logins: '1001' is not within 0 to 1000" },
		{ "cluster", "agent", "off", 0 },
		{ "cluster", "agent", "true", 1 },
		{ "cluster", "agent", "maybe", 0, "agent: 'maybe' is neither yes nor no" },
		{ "cluster", "timeout", "250", 250000 },
		{ "cluster", "timeout", "1h", 3600000 },
		{ "cluster", "timeout", "250ms", 0, "timeout: '250ms' is not within 1s to 1h" },
		{ "cluster", "timeout", "61m", 0, "timeout: '61m' is not within 1s to 1h" },
		{ "cluster", "connect_timeout", "11m", 0, "connect_timeout: '11m' is not within 1s to 10m" },
		{ "cluster", "lost_after", "0", 0 },
		{ "cluster", "lost_after", "2d", 0, "lost_after: '2d' is not within 0 to 1d" },
		{ "cluster", "kill_wait", "soon", 0,
		  "kill_wait: 'soon' is not a length of time: seconds, or a number with ms, s, m, h or d" },
		{ "job", "time", "4:00:00", 14400 },
		{ "job", "time", "9999d", 0, "time: '9999d' is not within 1s to 3650d" },
		{ "job", "memory", "32G", 34359738368 },
		{ "job", "memory", "2048T", 0, "memory: '2048T' is not within 1.0 KiB to 1.0 PiB" },
		{ "job", "memory", "lots", 0, "memory: 'lots' is not a size: MiB, or a number with K, M, G or T" },
		{ "job", "gpus", "0", 0 },
		{ "job", "gpus", "a100:2", 2 },
		{ "job", "gpus", "1025", 0, "gpus: '1025' is not within 0 to 1024" },
		{ "job", "gpus", "a100:-1", 0, "gpus: '-1' is not within 0 to 1024" },
		{ "job", "gpus", "a100", 0, "gpus: 'a100' is neither N nor TYPE:N" },
		{ "job", "gpus", "2:a100", 0, "gpus: '2:a100' is neither N nor TYPE:N" },
		{ "job", "gpus", ":2", 0, "gpus: '' is no type of GPU" },
		{ "job", "gpus", "a;b:2", 0, "gpus: 'a;b' is no type of GPU" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++)
		check(&values[i]);
}

static void words_and_names_say_what_they_take(void **state)
{
	static const struct value values[] = {
		{ "cluster", "transport", "ssh", 0 },
		{ "cluster", "transport", "local", 1 },
		{ "cluster", "transport", "sssh", 0,
		  "transport: 'sssh' is not one of 'ssh', 'local'; did you mean 'ssh'?" },
		{ "cluster", "transport", "carrier-pigeon", 0,
		  "transport: 'carrier-pigeon' is not one of 'ssh', 'local'" },
		{ "cluster", "launcher", "slurm", 0, "launcher: 'slurm' is not one of 'gpu-run'" },
		{ "job", "name", "resnet-baseline_2.1", 0 },
		{ "job", "name", "my job", 0,
		  "name: 'my job' holds ' '; a name is made of letters, digits, '.', '_' and '-'" },
		{ "job", "name", "-x", 0, "name: '-x' begins with '-'" },
		{ "job", "name", ".x", 0, "name: '.x' begins with '.'" },
		{ "job", "name", "1234567890123456789012345678901234567890123456789012345678901234", 0 },
		{ "job", "name", "12345678901234567890123456789012345678901234567890123456789012345", 0,
		  "name: '123456789012345678901234567890123456789012345678901234567890...' is longer than 64 bytes" },
		{ "job", "entry", "src/train.py", 0 },
		{ "job", "entry", "../train.py", 0, "entry: '../train.py' is no path below code/" },
		{ "job", "entry", "/bin/sh", 0, "entry: '/bin/sh' is no path below code/" },
		{ "job", "command", "a\nb", 0, "command: control character '\\x0a' in the value" },
		{ "job", "command", "caf\xc3\xa9 | tr a b", 0 },
		{ "job", "command", "caf\xe9", 0, "command: not UTF-8 text: byte '\\xe9'" },
		{ "job", "args", "", 0 },
		{ "job", "args", "--lr '0.1 0.2' \"\"", 3 },
		{ "job", "code", "~/src", 0 },
		{ "job", "code", "local:~/src", 0 },
		{ "job", "code", "local:", 0, "code: 'local:' names no path" },
		{ "job", "code", "git:https://example.org/x@main", 0 },
		{ "job", "code", "git:~/x@main+dirty", 0 },
		{ "job", "code", "git:~fred/x@main", 0, "code: '~fred/x': only '~/' is expanded; write the path out" },
		{ "job", "code", "git:x", 0, "code: 'git:x' names no revision; write git:URL@REV" },
		{ "job", "code", "existing:/cluster/code", 0,
		  "code: 'existing:/cluster/code': this version takes local:DIR and git:URL@REV" },
		{ "job", "code", "\"my code\"", 0,
		  "code: '\"my code\"': quotes are part of a path here; leave them out" },
		{ "cluster", "template", "~fred/run.sh", 0,
		  "template: '~fred/run.sh': only '~/' is expanded; write the path out" },
		{ "cluster", "known_hosts", "~/a '/b c'", 2 },
		{ "cluster", "known_hosts", "~/a ~b/c", 0,
		  "known_hosts: '~b/c': only '~/' is expanded; write the path out" },
		{ "cluster", "identity_file", "a '' b", 0, "identity_file: an empty path" },
		{ "cluster", "root", "/cluster/ml jobs", 0 },
		{ "cluster", "root", "~/jobs", 0 },
		{ "cluster", "root", "jobs", 0, "root: 'jobs' is neither absolute nor below '~/'" },
		{ "cluster", "root", "~fred/jobs", 0, "root: '~fred/jobs' is neither absolute nor below '~/'" },
		{ "cluster", "root", "/a/../b", 0, "root: '/a/../b' holds a '..'" },
		{ "cluster", "root", "/a/..", 0, "root: '/a/..' holds a '..'" },
		{ "cluster", "root", "/a/..b/c..", 0 },
		{ "cluster", "root", "/a\n/b", 0, "root: control character '\\x0a' in the value" },
		{ "cluster", "gpu_run", "/opt/bin/gpu-run", 0 },
		{ "cluster", "gpu_run", "bin/gpu-run", 0,
		  "gpu_run: 'bin/gpu-run' is neither a plain name nor an absolute path" },
		{ "cluster", "gpu_run", "gpu-run --fast", 0,
		  "gpu_run: 'gpu-run --fast' is neither a plain name nor an absolute path" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++)
		check(&values[i]);
}

static void a_host_is_a_name_or_an_address_and_nothing_else(void **state)
{
	static const struct value values[] = {
		{ "cluster", "host", "a100", 0 },
		{ "cluster", "host", "login_1.cluster.example.org", 0 },
		{ "cluster", "host", "192.0.2.7", 0 },
		{ "cluster", "host", "::1", 0 },
		{ "cluster", "host", "2001:db8::ff00:42", 0 },
		{ "cluster", "host", "fe80::1%eth0", 0 },
		{ "cluster", "host", "-oProxyCommand=id", 0, "host: '-oProxyCommand=id' begins with '-'" },
		{ "cluster", "host", "a b", 0, "host: 'a b' holds ' '" },
		{ "cluster", "host", "a`id`", 0, "host: 'a`id`' holds '`'" },
		{ "cluster", "host", "$(id)", 0, "host: '$(id)' holds '$'" },
		{ "cluster", "host", "a;id", 0, "host: 'a;id' holds ';'" },
		{ "cluster", "host", "a|id", 0, "host: 'a|id' holds '|'" },
		{ "cluster", "host", "a&id", 0, "host: 'a&id' holds '&'" },
		{ "cluster", "host", "a>x", 0, "host: 'a>x' holds '>'" },
		{ "cluster", "host", "a*", 0, "host: 'a*' holds '*'" },
		{ "cluster", "host", "a\\b", 0, "host: 'a\\\\b' holds '\\'" },
		{ "cluster", "host", "a'b", 0, "host: 'a'b' holds '''" },
		{ "cluster", "host", "a\"b", 0, "host: 'a\"b' holds '\"'" },
		{ "cluster", "host", "a/b", 0, "host: 'a/b' holds '/'" },
		{ "cluster", "host", "%h", 0, "host: '%h' holds '%'" },
		{ "cluster", "host", "a%b:", 0, "host: 'a%b:' holds '%'" },
		{ "cluster", "host", "a\nb", 0, "host: control character '\\x0a' in the value" },
		{ "cluster", "host", "a\tb", 0, "host: 'a\tb' holds '\\x09'" },
		{ "cluster", "host", "a\x7f", 0, "host: control character '\\x7f' in the value" },
		{ "cluster", "host", "h\xc3\xb6st", 0, "host: 'h\xc3\xb6st' holds '\\xc3'" },
		{ "cluster", "host", "me@a", 0, "host: 'me@a' holds '@'; the login name has its own key, 'user'" },
		{ "cluster", "host", "[::1]", 0, "host: '[::1]' holds '['; write an IPv6 address without brackets" },
		{ "cluster", "user", "me", 0 },
		{ "cluster", "user", "first.last@corp", 0 },
		{ "cluster", "user", "-l", 0, "user: '-l' begins with '-'" },
		{ "cluster", "user", "me$x", 0, "user: 'me$x' holds '$'" },
		{ "cluster", "user", "CORP\\me", 0, "user: 'CORP\\\\me' holds '\\'" },
		{ "cluster", "user", "me;id", 0, "user: 'me;id' holds ';'" },
		{ "cluster", "user", "me id", 0, "user: 'me id' holds ' '" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(values); i++)
		check(&values[i]);
}

static void paths_become_absolute_and_tidy(void **state)
{
	static const struct { const char *path, *base, *is; } paths[] = {
		{ ".", "/w/specs", "/w/specs" },
		{ "./a//b/.", "/w", "/w/a/b" },
		{ "../a", "/w/specs", "/w/specs/../a" }, /* what .. is, only the file system knows */
		{ "/x/./y", "/w", "/x/y" },
		{ "/", "/w", "/" },
		{ "~/a", "/w", "/home/fred/a" },
		{ "a/~/b", "/w", "/w/a/~/b" },
		{ ".hidden", "/", "/.hidden" },
	};

	(void)state;
	setenv("HOME", "/home/fred", 1);
	for (size_t i = 0; i < COUNT(paths); i++) {
		char *is = value_path(paths[i].path, paths[i].base);

		assert_string_equal(is, paths[i].is);
		free(is);
	}
}

static void a_home_that_is_not_set_is_no_place(void **state)
{
	static const struct value v = { "job", "code", "local:~/src", 0, "code: '~/src': HOME is not set" };

	(void)state;
	unsetenv("HOME");
	check(&v);
	setenv("HOME", "/home/fred", 1);
}

static void a_value_that_is_refused_leaves_the_field(void **state)
{
	struct strvec words = STRVEC_INIT;
	char *text = NULL;
	int number = 5;

	(void)state;
	assert_int_equal(value_store(keys_find("cluster", "port"), "x", "/", &number, NULL), -1);
	assert_int_equal(number, 5);
	assert_int_equal(value_store(keys_find("cluster", "host"), "a", "/", &text, NULL), 0);
	assert_int_equal(value_store(keys_find("cluster", "host"), "a b", "/", &text, NULL), -1);
	assert_string_equal(text, "a");
	assert_int_equal(value_store(keys_find("cluster", "known_hosts"), "a '/b c'", "/etc", &words, NULL), 0);
	assert_int_equal(value_store(keys_find("cluster", "known_hosts"), "'a", "/etc", &words, NULL), -1);
	assert_int_equal(words.n, 2);
	assert_string_equal(words.v[0], "/etc/a");
	assert_string_equal(words.v[1], "/b c");
	strvec_release(&words);
	free(text);
}

static void utf8_is_judged_as_rfc_3629_does(void **state)
{
	static const struct { const char *s; size_t n, bad; } texts[] = {
		{ "plain", 5, 5 },
		{ "\xc3\xa9\xe2\x82\xac\xf0\x9f\x9a\xa2", 9, 9 },
		{ "a\0b", 3, 3 },
		{ "a\xc3", 2, 1 },                 /* cut */
		{ "a\xc3z", 3, 1 },
		{ "\x80", 1, 0 },                  /* no lead byte */
		{ "\xc0\xaf", 2, 0 },              /* overlong */
		{ "\xe0\x80\xaf", 3, 0 },
		{ "\xf0\x80\x80\xaf", 4, 0 },
		{ "\xed\xa0\x80", 3, 0 },          /* a surrogate */
		{ "\xf4\x8f\xbf\xbf", 4, 4 },      /* U+10FFFF, the last one */
		{ "\xf4\x90\x80\x80", 4, 0 },
		{ "\xf8\x88\x80\x80\x80", 5, 0 },
		{ "ab\xff", 3, 2 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++)
		assert_int_equal(text_bad_utf8(texts[i].s, texts[i].n), texts[i].bad);
}

static void a_quoted_value_is_short_and_harmless(void **state)
{
	struct text_quoted q;
	char s[200];

	(void)state;
	assert_string_equal(text_quote(&q, "a\033[2J\nb"), "a\\e[2J\\nb");
	memset(s, 1, sizeof s - 1); /* the longest form: each byte is four */
	s[sizeof s - 1] = 0;
	assert_int_equal(strlen(text_quote(&q, s)), 4 * TEXT_SHOWN + 3);
	memset(s, 'x', 59);
	memcpy(s + 59, "\xe2\x82\xac and more", 12); /* lies across the cut */
	assert_string_equal(text_quote(&q, s) + 55, "xxxx...");
}

/* A page without \&, which shows as nothing. */
static void read_page(const char *name, struct strbuf *page)
{
	char *at;

	config_dir_source(name, page);
	while ((at = strstr(page->buf, "\\&")))
		strbuf_remove(page, (size_t)(at - page->buf), 2);
}

/* The part of a manual page about a key: from its .It Ic to the next .It or .El. */
static char *item_of(const char *page, const char *section, const char *name)
{
	char heading[80], item[80];
	const char *start, *end;

	snprintf(heading, sizeof heading, "\n.Ss %s\n", section);
	snprintf(item, sizeof item, "\n.It Ic %s", name);
	start = strstr(page, heading);
	assert_non_null(start);
	do {
		start = strstr(start + 1, item);
		if (!start)
			fail_msg("%s of %s has no entry in the manual", name, section);
	} while (!strchr(" \n", start[strlen(item)]));
	start += strlen(item);
	end = strstr(start, "\n.It ");
	if (!end || (strstr(start, "\n.El") && strstr(start, "\n.El") < end))
		end = strstr(start, "\n.El");
	assert_non_null(end);
	return strndup(start, (size_t)(end - start));
}

static void every_row_is_in_the_right_manual(void **state)
{
	static const struct { const char *section, *page, *heading; } pages[] = {
		{ "defaults", "doc/kedge.ini.5", "The [defaults] section" },
		{ "cluster", "doc/kedge.ini.5", "The [cluster NAME] sections" },
		{ "job", "doc/kedge-job.5", "The [job] section" },
	};

	(void)state;
	for (size_t p = 0; p < COUNT(pages); p++) {
		struct strbuf page = STRBUF_INIT;

		read_page(pages[p].page, &page);
		for (const struct key *key = keys; key->section; key++) {
			char *item;

			if (strcmp(key->section, pages[p].section) != 0)
				continue;
			item = item_of(page.buf, pages[p].heading, key->name);
			if (key->value && !strstr(item, key->value))
				fail_msg("%s: the entry of %s does not give its default, %s", pages[p].page, key->name,
					 key->value);
			for (size_t i = 0; key->words && key->words[i]; i++)
				if (!strstr(item, key->words[i]))
					fail_msg("%s: the entry of %s does not name '%s'", pages[p].page, key->name,
						 key->words[i]);
			free(item);
		}
		strbuf_release(&page);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_has_a_sentence_and_a_default_it_accepts),
		cmocka_unit_test(defaults_take_the_keys_of_a_cluster_but_not_of_a_job),
		cmocka_unit_test(names_of_a_section_end_with_null),
		cmocka_unit_test(an_unknown_key_names_the_nearest_one),
		cmocka_unit_test(numbers_are_checked_with_their_range),
		cmocka_unit_test(words_and_names_say_what_they_take),
		cmocka_unit_test(a_host_is_a_name_or_an_address_and_nothing_else),
		cmocka_unit_test(paths_become_absolute_and_tidy),
		cmocka_unit_test(a_home_that_is_not_set_is_no_place),
		cmocka_unit_test(a_value_that_is_refused_leaves_the_field),
		cmocka_unit_test(utf8_is_judged_as_rfc_3629_does),
		cmocka_unit_test(a_quoted_value_is_short_and_harmless),
		cmocka_unit_test(every_row_is_in_the_right_manual),
	};

	setenv("HOME", "/home/fred", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
