#include "testing.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#include <openssl/evp.h>

#include "transport/knownhosts.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/log.h"
#include "util/strvec.h"
#include "util/xalloc.h"

/* A key that was never generated: its bytes are as good as any to a matcher, and to ssh-keygen(1). */
struct key {
	char type[32];
	unsigned char blob[1024];
	size_t len;
	char base64[1400];
};

struct fixture {
	char dir[64];
	char *file, *second;
	struct strvec files;      /* both of them */
	struct key a, b, c;       /* three of one type */
	struct key ecdsa, rsa;    /* real ones where there is ssh-keygen */
};

static void put_string(struct key *k, const void *p, size_t n)
{
	const unsigned char len[4] = { (unsigned char)(n >> 24), (unsigned char)(n >> 16), (unsigned char)(n >> 8),
				       (unsigned char)n };

	memcpy(k->blob + k->len, len, sizeof len);
	memcpy(k->blob + k->len + sizeof len, p, n);
	k->len += sizeof len + n;
}

static void encode(struct key *k)
{
	EVP_EncodeBlock((unsigned char *)k->base64, k->blob, (int)k->len);
}

static void make_key(struct key *k, const char *type)
{
	unsigned char body[32];

	for (size_t i = 0; i < sizeof body; i++)
		body[i] = (unsigned char)test_random(256);
	memset(k, 0, sizeof *k);
	strcpy(k->type, type);
	put_string(k, k->type, strlen(k->type));
	put_string(k, body, sizeof body);
	encode(k);
}

static void read_key(const char *line, struct key *k)
{
	size_t pad;

	memset(k, 0, sizeof *k);
	assert_int_equal(sscanf(line, "%31s %1399s", k->type, k->base64), 2);
	pad = strlen(k->base64) - strcspn(k->base64, "=");
	k->len = (size_t)EVP_DecodeBlock(k->blob, (unsigned char *)k->base64, (int)strlen(k->base64)) - pad;
}

static void generate_key(const struct fixture *f, const char *type, struct key *k)
{
	char *path = xasprintf("%s/%s", f->dir, type), *public = xasprintf("%s.pub", path);
	const char *const argv[] = { "ssh-keygen", "-q", "-t", type, "-N", "", "-f", path, NULL };
	struct strbuf text = STRBUF_INIT;

	assert_int_equal(test_run(argv, &text), 0);
	assert_int_equal(fsutil_read(public, 65536, &text, NULL), 0);
	read_key(text.buf, k);
	strbuf_release(&text);
	free(path);
	free(public);
}

static int make_fixture(void **state)
{
	struct fixture *f = xcalloc(1, sizeof *f);

	strcpy(f->dir, "/tmp/kedge-knownhosts-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->file = xasprintf("%s/known_hosts", f->dir);
	f->second = xasprintf("%s/known_hosts2", f->dir);
	strvec_init(&f->files);
	strvec_push(&f->files, f->file);
	strvec_push(&f->files, f->second);
	make_key(&f->a, "ssh-ed25519");
	make_key(&f->b, "ssh-ed25519");
	make_key(&f->c, "ssh-ed25519");
	make_key(&f->ecdsa, "ecdsa-sha2-nistp256");
	make_key(&f->rsa, "ssh-rsa");
	if (test_has_program("ssh-keygen")) {
		generate_key(f, "ecdsa", &f->ecdsa);
		generate_key(f, "rsa", &f->rsa);
	}
	*state = f;
	return 0;
}

static int remove_fixture(void **state)
{
	struct fixture *f = *state;

	fsutil_remove_tree(f->dir, NULL);
	strvec_release(&f->files);
	free(f->file);
	free(f->second);
	free(f);
	return 0;
}

static void write_text(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fsutil_write_all(fd, text, n), 0);
	close(fd);
}

static int no_second_file(void **state)
{
	struct fixture *f = *state;

	unlink(f->second);
	log_set_level(LOG_ERROR);
	return 0;
}

/* The files hold these lines, and nothing else. */
#define FILE_HOLDS(f, ...) write_lines((f)->file, __VA_ARGS__)
#define SECOND_HOLDS(f, ...) write_lines((f)->second, __VA_ARGS__)

static void write_lines(const char *path, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void write_lines(const char *path, const char *fmt, ...)
{
	struct strbuf sb = STRBUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&sb, fmt, ap);
	va_end(ap);
	write_text(path, sb.buf, sb.len);
	strbuf_release(&sb);
}

static struct knownhosts_result check(const struct fixture *f, const char *host, int port, const struct key *k)
{
	struct knownhosts_result result;
	struct error err = { 0 };

	if (knownhosts_check(&f->files, host, port, k->type, k->blob, k->len, &result, &err) != 0)
		fail_msg("%s", err.text);
	return result;
}

static enum knownhosts_verdict verdict(const struct fixture *f, const char *host, int port, const struct key *k)
{
	return check(f, host, port, k).verdict;
}

/* --- single facts --------------------------------------------------------- */

static void a_known_key_matches_and_names_its_line(void **state)
{
	struct fixture *f = *state;
	struct knownhosts_result r;
	char place[600];

	FILE_HOLDS(f, "# mine\n\n  host.example,10.0.0.1 %s %s a comment\n", f->a.type, f->a.base64);
	r = check(f, "host.example", 22, &f->a);
	assert_int_equal(r.verdict, KNOWNHOSTS_MATCH);
	snprintf(place, sizeof place, "%s:3", f->file);
	assert_string_equal(r.place, place);
	assert_int_equal(verdict(f, "10.0.0.1", 22, &f->a), KNOWNHOSTS_MATCH);
	assert_int_equal(verdict(f, "HOST.Example", 22, &f->a), KNOWNHOSTS_MATCH);
	assert_int_equal(verdict(f, "host.example.org", 22, &f->a), KNOWNHOSTS_UNKNOWN);
}

static void no_file_knows_nobody(void **state)
{
	struct fixture *f = *state;
	struct knownhosts_result r;

	unlink(f->file);
	r = check(f, "host", 22, &f->a);
	assert_int_equal(r.verdict, KNOWNHOSTS_UNKNOWN);
	assert_string_equal(r.place, "");
	assert_string_equal(r.known, "");
}

static void another_key_of_the_same_type_is_a_change(void **state)
{
	struct fixture *f = *state;
	char known[KNOWNHOSTS_FINGERPRINT];
	struct knownhosts_result r;

	FILE_HOLDS(f, "host %s %s\n", f->a.type, f->a.base64);
	r = check(f, "host", 22, &f->b);
	assert_int_equal(r.verdict, KNOWNHOSTS_CHANGED);
	knownhosts_fingerprint(f->a.blob, f->a.len, known);
	assert_string_equal(r.known, known);
	assert_string_equal(r.known_type, f->a.type);
}

static void one_of_several_keys_is_enough(void **state)
{
	struct fixture *f = *state;

	FILE_HOLDS(f, "host %s %s\n", f->a.type, f->a.base64);
	SECOND_HOLDS(f, "h* %s %s\n", f->b.type, f->b.base64);
	assert_int_equal(verdict(f, "host", 22, &f->a), KNOWNHOSTS_MATCH);
	assert_int_equal(verdict(f, "host", 22, &f->b), KNOWNHOSTS_MATCH);
	assert_int_equal(verdict(f, "host", 22, &f->c), KNOWNHOSTS_CHANGED);
}

static void a_key_of_another_type_is_not_unknown(void **state)
{
	struct fixture *f = *state;

	FILE_HOLDS(f, "host %s %s\n", f->a.type, f->a.base64);
	assert_int_equal(verdict(f, "host", 22, &f->ecdsa), KNOWNHOSTS_OTHER_TYPE);
}

static void a_revoked_key_never_matches_wherever_it_stands(void **state)
{
	struct fixture *f = *state;

	FILE_HOLDS(f, "host %s %s\n", f->a.type, f->a.base64);
	SECOND_HOLDS(f, "@revoked * %s %s\n", f->a.type, f->a.base64);
	assert_int_equal(verdict(f, "host", 22, &f->a), KNOWNHOSTS_REVOKED);
	FILE_HOLDS(f, "@revoked\thost %s %s\n", f->a.type, f->a.base64);
	SECOND_HOLDS(f, "host %s %s\n", f->a.type, f->a.base64);
	assert_int_equal(verdict(f, "host", 22, &f->a), KNOWNHOSTS_REVOKED);
}

static void a_revocation_of_another_key_or_host_says_nothing(void **state)
{
	struct fixture *f = *state;

	FILE_HOLDS(f, "@revoked host %s %s\n@revoked other %s %s\nhost %s %s\n", f->b.type, f->b.base64, f->a.type,
		   f->a.base64, f->a.type, f->a.base64);
	assert_int_equal(verdict(f, "host", 22, &f->a), KNOWNHOSTS_MATCH);
	assert_int_equal(verdict(f, "elsewhere", 22, &f->b), KNOWNHOSTS_UNKNOWN);
}

static void only_a_certificate_authority_is_told(void **state)
{
	struct fixture *f = *state;

	FILE_HOLDS(f, "@cert-authority *.example %s %s\n", f->a.type, f->a.base64);
	assert_int_equal(verdict(f, "host.example", 22, &f->a), KNOWNHOSTS_CERT_ONLY);
	assert_int_equal(verdict(f, "host.example", 22, &f->b), KNOWNHOSTS_CERT_ONLY);
	assert_int_equal(verdict(f, "host", 22, &f->b), KNOWNHOSTS_UNKNOWN);
}

static void a_port_is_part_of_the_name(void **state)
{
	struct fixture *f = *state;

	FILE_HOLDS(f, "[host]:2222 %s %s\nhost %s %s\n", f->a.type, f->a.base64, f->b.type, f->b.base64);
	assert_int_equal(verdict(f, "host", 2222, &f->a), KNOWNHOSTS_MATCH);
	assert_int_equal(verdict(f, "host", 2222, &f->b), KNOWNHOSTS_CHANGED);
	assert_int_equal(verdict(f, "host", 22, &f->b), KNOWNHOSTS_MATCH);
	assert_int_equal(verdict(f, "host", 2223, &f->a), KNOWNHOSTS_UNKNOWN);
}

static void a_negated_pattern_outweighs_the_others(void **state)
{
	struct fixture *f = *state;

	FILE_HOLDS(f, "*.example,!bad.example,bad.* %s %s\n", f->a.type, f->a.base64);
	assert_int_equal(verdict(f, "good.example", 22, &f->a), KNOWNHOSTS_MATCH);
	assert_int_equal(verdict(f, "bad.example", 22, &f->a), KNOWNHOSTS_UNKNOWN);
	FILE_HOLDS(f, "!bad.example %s %s\n", f->a.type, f->a.base64);
	assert_int_equal(verdict(f, "good.example", 22, &f->a), KNOWNHOSTS_UNKNOWN);
}

static void a_damaged_line_hides_no_other(void **state)
{
	struct fixture *f = *state;
	struct strbuf sb = STRBUF_INIT;

	strbuf_addstr(&sb, "host\nhost ssh-ed25519\nhost ssh-ed25519 AAAA\nhost ssh-ed25519 !!!!\n|1|short host x\n");
	strbuf_addf(&sb, "host ssh-rsa %s\n@unknown host %s %s\n", f->b.base64, f->a.type, f->a.base64);
	strbuf_addstr(&sb, "host ssh-ed25519 ");
	for (int i = 0; i < 30000; i++)
		strbuf_addch(&sb, 'A');
	strbuf_addstr(&sb, "\nhost");
	strbuf_addch(&sb, '\0');
	strbuf_addf(&sb, " %s %s\n", f->c.type, f->c.base64);
	strbuf_addf(&sb, "host %s %s\r\nlast %s %s", f->a.type, f->a.base64, f->b.type, f->b.base64);
	write_text(f->file, sb.buf, sb.len);
	strbuf_release(&sb);
	assert_int_equal(verdict(f, "host", 22, &f->a), KNOWNHOSTS_MATCH);
	assert_int_equal(verdict(f, "host", 22, &f->c), KNOWNHOSTS_CHANGED);
	assert_int_equal(verdict(f, "last", 22, &f->b), KNOWNHOSTS_MATCH);
}

static void check_host(void *arg)
{
	struct knownhosts_result result;
	struct fixture *f = arg;

	log_set_level(LOG_WARN);
	knownhosts_check(&f->files, "host", 22, f->a.type, f->a.blob, f->a.len, &result, NULL);
}

static void a_damaged_line_is_warned_of_with_its_number(void **state)
{
	struct fixture *f = *state;
	struct strbuf text = STRBUF_INIT;
	char *want;

	FILE_HOLDS(f, "host %s %s\nhost %s oops\n", f->a.type, f->a.base64, f->a.type);
	test_in_child(check_host, f, &text);
	want = xasprintf("%s:2: ", f->file);
	assert_non_null(strstr(text.buf, want));
	free(want);
	strbuf_release(&text);
}

static void a_line_of_many_kilobytes_is_read(void **state)
{
	struct fixture *f = *state;
	struct strbuf sb = STRBUF_INIT;

	for (int i = 0; i < 2000; i++)
		strbuf_addf(&sb, "node%d.example,", i);
	strbuf_addf(&sb, "host %s %s\nnext %s %s\n", f->a.type, f->a.base64, f->b.type, f->b.base64);
	assert_true(sb.len > 20000);
	write_text(f->file, sb.buf, sb.len);
	strbuf_release(&sb);
	assert_int_equal(verdict(f, "host", 22, &f->a), KNOWNHOSTS_MATCH);
	assert_int_equal(verdict(f, "node1999.example", 22, &f->a), KNOWNHOSTS_MATCH);
	assert_int_equal(verdict(f, "next", 22, &f->b), KNOWNHOSTS_MATCH);
}

static void many_stars_cost_no_exponential_time(void **state)
{
	struct fixture *f = *state;
	struct strbuf sb = STRBUF_INIT;
	char host[256];

	memset(host, 'a', sizeof host - 1);
	host[sizeof host - 1] = '\0';
	for (int i = 0; i < 500; i++)
		strbuf_addstr(&sb, "*a");
	strbuf_addf(&sb, "b %s %s\n", f->a.type, f->a.base64);
	write_text(f->file, sb.buf, sb.len);
	strbuf_release(&sb);
	assert_int_equal(verdict(f, host, 22, &f->a), KNOWNHOSTS_UNKNOWN);
}

static void a_file_that_cannot_be_read_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct knownhosts_result r = { .verdict = KNOWNHOSTS_CHANGED };
	struct strvec types = STRVEC_INIT;
	struct error err = { 0 };

	FILE_HOLDS(f, "host %s %s\n", f->a.type, f->a.base64);
	assert_int_equal(mkdir(f->second, 0700), 0);
	assert_int_equal(knownhosts_check(&f->files, "host", 22, f->a.type, f->a.blob, f->a.len, &r, &err), -1);
	assert_int_equal(err.kind, ERROR_HOSTKEY);
	assert_non_null(strstr(err.text, f->second));
	assert_int_equal(r.verdict, KNOWNHOSTS_CHANGED);
	error_clear(&err);
	assert_int_equal(knownhosts_types(&f->files, "host", 22, &types, &err), -1);
	assert_int_equal(err.kind, ERROR_HOSTKEY);
	assert_int_equal(types.n, 0);
	rmdir(f->second);
}

static void types_come_in_the_order_of_the_files_once(void **state)
{
	struct fixture *f = *state;
	struct strvec types = STRVEC_INIT;

	FILE_HOLDS(f, "@cert-authority host x-ca AAAABHgtY2EA\n@revoked host %s %s\nhost %s %s\nother %s %s\n",
		   f->b.type, f->b.base64, f->ecdsa.type, f->ecdsa.base64, f->rsa.type, f->rsa.base64);
	SECOND_HOLDS(f, "host %s %s\nhost %s %s\nhost %s %s\n", f->a.type, f->a.base64, f->ecdsa.type,
		     f->ecdsa.base64, f->rsa.type, f->rsa.base64);
	assert_int_equal(knownhosts_types(&f->files, "host", 22, &types, NULL), 0);
	assert_int_equal(types.n, 3);
	assert_string_equal(types.v[0], "ecdsa-sha2-nistp256");
	assert_string_equal(types.v[1], "ssh-ed25519");
	assert_string_equal(types.v[2], "ssh-rsa");
	strvec_release(&types);
}

static void fingerprints_are_those_of_ssh_keygen(void **state)
{
	struct fixture *f = *state;
	const struct key *keys[] = { &f->a, &f->ecdsa, &f->rsa };
	const char *const argv[] = { "ssh-keygen", "-l", "-f", f->file, NULL };
	char have[KNOWNHOSTS_FINGERPRINT], want[128];

	if (!test_has_program("ssh-keygen"))
		skip();
	for (size_t i = 0; i < COUNT(keys); i++) {
		struct strbuf out = STRBUF_INIT;

		FILE_HOLDS(f, "%s %s\n", keys[i]->type, keys[i]->base64);
		assert_int_equal(test_run(argv, &out), 0);
		assert_int_equal(sscanf(out.buf, "%*d %127s", want), 1);
		knownhosts_fingerprint(keys[i]->blob, keys[i]->len, have);
		assert_string_equal(have, want);
		strbuf_release(&out);
	}
}

/* --- against ssh-keygen -F ------------------------------------------------ */

enum { CORPUS_FILES = 16, CORPUS_LINES = 24, CORPUS_KEYS = 8 };

static const char *const names[] = {
	"a", "b", "ab", "a.example", "b.example", "login.a.example", "10.0.0.1", "10.0.0.12", "::1", "x-y_z",
	"xn--bcher-kva.example", "aaaa",
};
static const char *const patterns[] = {
	"a", "b", "ab", "A", "a.example", "*.example", "?.example", "*", "!a", "!*.example", "10.0.0.?", "10.0.0.*",
	"::1", "[a]:2222", "[*.example]:2222", "[*]:*", "![b.example]:2222", "*a*", "**a?", ",", "x-y_z", "[a]:22",
	"LOGIN.*", "[10.0.0.1]:2222", "xn--*", "!10.0.0.12", "?", "a*a*a*a", "a*a*a*a*a",
};
static const int ports[] = { 22, 2222 };

static void add_corpus_line(struct strbuf *sb, const struct key *keys, bool damaged)
{
	static const char *const markers[] = { "", "", "", "", "", "\t ", "@revoked ", "@cert-authority ", "@other " };
	static const char *const tails[] = { "", "", " comment", "\tmany words here", " # no" };
	static const char *const junk[] = {
		"", "# a comment", "a ssh-ed25519", "* ssh-ed25519 AAAAnot-base64", "|1|AAAA|BBBB ssh-rsa x", "b",
		"a 1024 35 1234567890", "@revoked", "a b ssh-ed25519 AAAAC3", " ssh-ed25519 AAAAC3",
		"@revoked @revoked * ssh-ed25519 AAAA",
	};
	const struct key *k = &keys[test_random(CORPUS_KEYS)];
	unsigned int n = 1 + test_random(3);

	if (damaged && test_random(8) == 0) {
		strbuf_addf(sb, "%s\n", junk[test_random(COUNT(junk))]);
		return;
	}
	strbuf_addstr(sb, markers[test_random(COUNT(markers) - !damaged)]);
	for (unsigned int i = 0; i < n; i++)
		strbuf_addf(sb, "%s%s", i ? "," : "", patterns[test_random(COUNT(patterns))]);
	if (test_random(20) == 0)
		for (int i = 0; i < 600; i++)
			strbuf_addf(sb, ",filler%d", i);
	strbuf_addf(sb, " %s %s%s\n", k->type, k->base64, tails[test_random(COUNT(tails))]);
}

/* Half of the lines in clear, half through ssh-keygen -H. */
static void make_corpus(const struct fixture *f, const struct key *keys, unsigned int lines)
{
	const char *const argv[] = { "sh", "-c", "ssh-keygen -H -f \"$0\" >/dev/null 2>&1", f->second, NULL };
	struct strbuf text = STRBUF_INIT, hashed = STRBUF_INIT;

	for (unsigned int i = lines; i > 0; i--)
		add_corpus_line(&hashed, keys, false); /* -H refuses a file with damage */
	strbuf_addf(&hashed, "a,b.example,[a.example]:2222,10.0.0.1 %s %s\n", keys[0].type, keys[0].base64);
	write_text(f->second, hashed.buf, hashed.len);
	strbuf_reset(&hashed);
	assert_int_equal(test_run(argv, &text), 0);
	for (unsigned int i = lines; i > 0; i--)
		add_corpus_line(&text, keys, true);
	assert_int_equal(fsutil_read(f->second, 1 << 20, &text, NULL), 0);
	assert_non_null(strstr(text.buf, "\n|1|"));
	write_text(f->file, text.buf, text.len);
	unlink(f->second);
	strbuf_release(&text);
	strbuf_release(&hashed);
}

static enum knownhosts_verdict stronger(enum knownhosts_verdict a, enum knownhosts_verdict b)
{
	return a > b ? a : b;
}

/* What a line that ssh-keygen printed means for a key. */
static enum knownhosts_verdict meaning(const char *line, const struct key *k)
{
	char type[64], base64[1400];
	bool same;

	if (strncmp(line, "@cert-authority", 15) == 0)
		return KNOWNHOSTS_CERT_ONLY;
	assert_int_equal(sscanf(line[0] == '@' ? strchr(line, ' ') + 1 : line, "%*s %63s %1399s", type, base64), 2);
	same = strcmp(base64, k->base64) == 0;
	if (line[0] == '@')
		return same ? KNOWNHOSTS_REVOKED : KNOWNHOSTS_UNKNOWN;
	return same ? KNOWNHOSTS_MATCH : strcmp(type, k->type) == 0 ? KNOWNHOSTS_CHANGED : KNOWNHOSTS_OTHER_TYPE;
}

/* ssh-keygen -F looks at names only: a line whose key is damaged is printed all the same. */
static bool has_a_key(const char *line, const struct key *keys)
{
	for (int i = 0; i < CORPUS_KEYS; i++) {
		const char *at = strstr(line, keys[i].base64);

		if (at && at < line + strcspn(line, "\n"))
			return true;
	}
	return false;
}

static enum knownhosts_verdict oracle(const char *output, const struct key *keys, const struct key *k)
{
	enum knownhosts_verdict v = KNOWNHOSTS_UNKNOWN;

	for (const char *p = output; *p; p += strcspn(p, "\n") + 1)
		if (*p != '#' && has_a_key(p, keys))
			v = stronger(v, meaning(p, k));
	return v;
}

static void agrees_with_ssh_keygen(void **state)
{
	struct fixture *f = *state;
	struct key keys[CORPUS_KEYS];
	unsigned int seen[KNOWNHOSTS_REVOKED + 1] = { 0 };

	if (!test_has_program("ssh-keygen"))
		skip();
	for (int i = 0; i < CORPUS_KEYS; i++)
		make_key(&keys[i], "ssh-ed25519");
	keys[CORPUS_KEYS - 1] = f->ecdsa;
	keys[CORPUS_KEYS - 2] = f->rsa;
	for (int round = 0; round < CORPUS_FILES; round++) {
		make_corpus(f, keys, 1 + test_random(CORPUS_LINES));
		for (size_t i = 0; i < COUNT(names) * COUNT(ports); i++) {
			const char *host = names[i / COUNT(ports)];
			int port = ports[i % COUNT(ports)];
			char *name = port == 22 ? xstrdup(host) : xasprintf("[%s]:%d", host, port);
			const char *const argv[] = { "ssh-keygen", "-F", name, "-f", f->file, NULL };
			struct strbuf out = STRBUF_INIT;

			test_run(argv, &out);
			for (int k = 0; k < CORPUS_KEYS; k++) {
				enum knownhosts_verdict want = oracle(out.buf, keys, &keys[k]);
				enum knownhosts_verdict have = verdict(f, host, port, &keys[k]);

				if (have != want)
					fail_msg("file %d, %s, key %d: %d, not %d\n%s", round, name, k, have, want,
						 out.buf);
				seen[want]++;
			}
			strbuf_release(&out);
			free(name);
		}
	}
	for (size_t i = 0; i < COUNT(seen); i++)
		assert_true(seen[i] > 0);
}

/* --- damage --------------------------------------------------------------- */

static void survives_any_damage(void **state)
{
	struct fixture *f = *state;
	struct strbuf good = STRBUF_INIT;
	struct key keys[CORPUS_KEYS];

	if (!test_has_program("ssh-keygen"))
		skip();
	for (int i = 0; i < CORPUS_KEYS; i++)
		make_key(&keys[i], "ssh-ed25519");
	make_corpus(f, keys, CORPUS_LINES);
	assert_int_equal(fsutil_read(f->file, 1 << 20, &good, NULL), 0);
	for (int round = 0; round < 3000; round++) {
		size_t n = 1 + test_random((unsigned int)good.len);
		char *bad = xmemdup(good.buf, n);
		struct strvec types = STRVEC_INIT;
		struct knownhosts_result r;

		for (unsigned int i = test_random(12); i > 0; i--)
			bad[test_random((unsigned int)n)] = "|@!*?,# \n\t=A1\0\xff\r"[test_random(16)];
		write_text(f->file, bad, n);
		assert_int_equal(knownhosts_check(&f->files, "a.example", 2222, keys[0].type, keys[0].blob, keys[0].len,
						  &r, NULL), 0);
		assert_int_equal(knownhosts_types(&f->files, "a", 22, &types, NULL), 0);
		for (size_t i = 0; i < types.n; i++)
			assert_in_range(strlen(types.v[i]), 1, 63);
		strvec_release(&types);
		free(bad);
	}
	strbuf_release(&good);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_known_key_matches_and_names_its_line, no_second_file),
		cmocka_unit_test_setup(no_file_knows_nobody, no_second_file),
		cmocka_unit_test_setup(another_key_of_the_same_type_is_a_change, no_second_file),
		cmocka_unit_test_setup(one_of_several_keys_is_enough, no_second_file),
		cmocka_unit_test_setup(a_key_of_another_type_is_not_unknown, no_second_file),
		cmocka_unit_test_setup(a_revoked_key_never_matches_wherever_it_stands, no_second_file),
		cmocka_unit_test_setup(a_revocation_of_another_key_or_host_says_nothing, no_second_file),
		cmocka_unit_test_setup(only_a_certificate_authority_is_told, no_second_file),
		cmocka_unit_test_setup(a_port_is_part_of_the_name, no_second_file),
		cmocka_unit_test_setup(a_negated_pattern_outweighs_the_others, no_second_file),
		cmocka_unit_test_setup(a_damaged_line_hides_no_other, no_second_file),
		cmocka_unit_test_setup(a_damaged_line_is_warned_of_with_its_number, no_second_file),
		cmocka_unit_test_setup(a_line_of_many_kilobytes_is_read, no_second_file),
		cmocka_unit_test_setup(many_stars_cost_no_exponential_time, no_second_file),
		cmocka_unit_test_setup(a_file_that_cannot_be_read_is_an_error, no_second_file),
		cmocka_unit_test_setup(types_come_in_the_order_of_the_files_once, no_second_file),
		cmocka_unit_test_setup(fingerprints_are_those_of_ssh_keygen, no_second_file),
		cmocka_unit_test_setup(agrees_with_ssh_keygen, no_second_file),
		cmocka_unit_test_setup(survives_any_damage, no_second_file),
	};

	return cmocka_run_group_tests(tests, make_fixture, remove_fixture);
}
