#include "transport/knownhosts.h"

#include <ctype.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "util/error.h"
#include "util/fsutil.h"
#include "util/log.h"
#include "util/strbuf.h"
#include "util/strvec.h"
#include "util/xalloc.h"

enum {
	FILE_MAX = 64 << 20,  /* the files of big sites have tens of thousands of lines of 500 bytes */
	KEY_MAX = 16 << 10,   /* an RSA key of 16384 bits takes 2 KiB */
	PATTERN_MAX = 1023,   /* ssh(1) gives up on a longer one, and on its whole list */
	TYPE_MAX = sizeof ((struct knownhosts_result *)0)->known_type - 1,
	SHA1_BYTES = 20,
	SHA256_BYTES = 32,
	SSH_PORT = 22,
};

enum marker {
	MARKER_NONE,
	MARKER_REVOKED,
	MARKER_CERT_AUTHORITY,
	MARKER_BAD,
};

struct span {
	const char *p;
	size_t n;
};

struct line {
	const char *file;
	size_t number;
	enum marker marker;
	struct span hosts, type, base64;
	unsigned char *key; /* decoded, key_len bytes */
	size_t key_len;
};

typedef void line_f(void *arg, const struct line *line);

struct search {
	const char *name; /* "host" or "[host]:port", lower case */
	bool warn;
	line_f *found;
	void *arg;
};

/* --- bytes ---------------------------------------------------------------- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool span_is(struct span s, const char *word)
{
	return s.n == strlen(word) && memcmp(s.p, word, s.n) == 0;
}

/* The next word of the line, which shrinks. */
static struct span next_word(struct span *line)
{
	struct span word;

	while (line->n > 0 && is_blank(*line->p)) {
		line->p++;
		line->n--;
	}
	word.p = line->p;
	while (line->n > 0 && !is_blank(*line->p)) {
		line->p++;
		line->n--;
	}
	word.n = (size_t)(line->p - word.p);
	return word;
}

/* Strict base64 (EVP_DecodeBlock forgives blanks and counts padding as data): a count, or -1. */
static ssize_t decode_base64(struct span s, unsigned char *out)
{
	size_t pad = 0;
	int n;

	if (s.n == 0 || s.n % 4 != 0 || s.n > INT_MAX)
		return -1;
	while (pad < 2 && s.p[s.n - 1 - pad] == '=')
		pad++;
	for (size_t i = 0; i < s.n - pad; i++)
		if (!isalnum((unsigned char)s.p[i]) && s.p[i] != '+' && s.p[i] != '/')
			return -1;
	n = EVP_DecodeBlock(out, (const unsigned char *)s.p, (int)s.n);
	return n < 0 ? -1 : (ssize_t)n - (ssize_t)pad;
}

/* --- host names ----------------------------------------------------------- */

/* '*' and '?' without recursion, in the worst case length times length steps; the name is lower case. */
static bool match_wildcards(const char *name, struct span pattern)
{
	const char *p = pattern.p, *end = p + pattern.n, *star = NULL, *retry = NULL;

	while (*name) {
		if (p < end && *p == '*') {
			star = ++p;
			retry = name;
		} else if (p < end && (*p == '?' || tolower((unsigned char)*p) == *name)) {
			p++;
			name++;
		} else if (star) {
			p = star;
			name = ++retry;
		} else {
			return false;
		}
	}
	while (p < end && *p == '*')
		p++;
	return p == end;
}

/* Patterns between commas; one with '!' that matches outweighs all others. */
static bool match_patterns(const char *name, struct span list)
{
	const char *end = list.p + list.n;
	bool found = false;

	for (const char *p = list.p; p <= end; ) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		struct span one = { p, (size_t)((comma ? comma : end) - p) };
		bool negated = one.n > 0 && *one.p == '!';

		if (negated) {
			one.p++;
			one.n--;
		}
		if (one.n > PATTERN_MAX)
			return false;
		if (match_wildcards(name, one)) {
			if (negated)
				return false;
			found = true;
		}
		p += one.n + negated + 1;
	}
	return found;
}

/* "|1|SALT|HASH", both base64 of 20 bytes: HMAC-SHA1 of the name.  1: it is the name, 0: another, -1: damaged. */
static int match_hashed(const char *name, struct span hosts)
{
	enum { BASE64_LEN = 28, HASHED_LEN = 3 + BASE64_LEN + 1 + BASE64_LEN };
	unsigned char salt[BASE64_LEN], want[BASE64_LEN], have[EVP_MAX_MD_SIZE];
	unsigned int have_len = 0;

	if (hosts.n != HASHED_LEN || memcmp(hosts.p, "|1|", 3) != 0 || hosts.p[3 + BASE64_LEN] != '|')
		return -1;
	if (decode_base64((struct span){ hosts.p + 3, BASE64_LEN }, salt) != SHA1_BYTES ||
	    decode_base64((struct span){ hosts.p + 3 + BASE64_LEN + 1, BASE64_LEN }, want) != SHA1_BYTES)
		return -1;
	if (!HMAC(EVP_sha1(), salt, SHA1_BYTES, (const unsigned char *)name, strlen(name), have, &have_len) ||
	    have_len != SHA1_BYTES)
		return -1;
	return CRYPTO_memcmp(have, want, SHA1_BYTES) == 0;
}

static int match_hosts(const char *name, struct span hosts)
{
	return *hosts.p == '|' ? match_hashed(name, hosts) : match_patterns(name, hosts);
}

static char *lookup_name(const char *host, int port)
{
	char *name = port == SSH_PORT ? xstrdup(host) : xasprintf("[%s]:%d", host, port);

	for (char *p = name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return name;
}

/* --- lines ---------------------------------------------------------------- */

static enum marker read_marker(struct span *text)
{
	struct span rest = *text, word = next_word(&rest);

	if (word.n == 0 || *word.p != '@')
		return MARKER_NONE;
	*text = rest;
	if (span_is(word, "@revoked"))
		return MARKER_REVOKED;
	return span_is(word, "@cert-authority") ? MARKER_CERT_AUTHORITY : MARKER_BAD;
}

/* The key must begin with its own type (RFC 4253, 6.6). */
static bool decode_key(struct line *line)
{
	const unsigned char *k;
	ssize_t n;

	if (line->base64.n > KEY_MAX)
		return false;
	line->key = xmalloc(line->base64.n + 1);
	n = decode_base64(line->base64, line->key);
	if (n < 4)
		return false;
	line->key_len = (size_t)n;
	k = line->key;
	return ((size_t)k[0] << 24 | (size_t)k[1] << 16 | (size_t)k[2] << 8 | k[3]) == line->type.n &&
	       line->key_len > 4 + line->type.n && memcmp(k + 4, line->type.p, line->type.n) == 0;
}

/* 1: the line is about the host, and line is filled; 0: it is not; -1: damaged. */
static int read_line(const struct search *s, struct span text, struct line *line)
{
	int match;

	if (memchr(text.p, '\0', text.n))
		return -1;
	line->marker = read_marker(&text);
	line->hosts = next_word(&text);
	line->type = next_word(&text);
	line->base64 = next_word(&text);
	if (line->marker == MARKER_BAD || line->base64.n == 0 || line->type.n > TYPE_MAX)
		return -1;
	match = match_hosts(s->name, line->hosts);
	if (match != 1)
		return match;
	return decode_key(line) ? 1 : -1;
}

static void search_line(const struct search *s, const char *file, size_t number, struct span text)
{
	struct line line = { .file = file, .number = number };
	struct span rest = text, first;
	int rc;

	if (text.n > 0 && text.p[text.n - 1] == '\r')
		rest.n = --text.n;
	first = next_word(&rest);
	if (first.n == 0 || *first.p == '#')
		return;
	rc = read_line(s, text, &line);
	if (rc == 1)
		s->found(s->arg, &line);
	else if (rc < 0 && s->warn)
		log_warn("%s:%zu: not a line of known_hosts, skipped", file, number);
	free(line.key);
}

static int search_file(const struct search *s, const char *file, struct error *err)
{
	struct strbuf text = STRBUF_INIT;
	struct error why = { 0 };
	const char *p, *end;
	int rc = -1;

	if (fsutil_read(file, FILE_MAX, &text, &why) != 0) {
		if (why.kind == ERROR_NOT_FOUND)
			rc = 0;
		else
			error_set(err, ERROR_HOSTKEY, "%s; it may revoke the host's key, so nothing is sent", why.text);
		goto out;
	}
	p = text.buf;
	end = p + text.len;
	for (size_t number = 1; p < end; number++) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		const char *stop = newline ? newline : end;

		search_line(s, file, number, (struct span){ p, (size_t)(stop - p) });
		p = stop + 1;
	}
	rc = 0;
out:
	strbuf_release(&text);
	return rc;
}

static int search_files(const struct strvec *files, const char *host, int port, struct search *s, struct error *err)
{
	char *name = lookup_name(host, port);
	int rc = 0;

	s->name = name;
	for (size_t i = 0; i < files->n && rc == 0; i++)
		rc = search_file(s, files->v[i], err);
	free(name);
	return rc;
}

/* --- questions ------------------------------------------------------------ */

static void add_type(void *arg, const struct line *line)
{
	struct strvec *types = arg;

	if (line->marker != MARKER_NONE)
		return;
	for (size_t i = 0; i < types->n; i++)
		if (span_is(line->type, types->v[i]))
			return;
	strvec_push_nodup(types, xstrndup(line->type.p, line->type.n));
}

int knownhosts_types(const struct strvec *files, const char *host, int port, struct strvec *types,
		     struct error *err)
{
	struct strvec found = STRVEC_INIT;
	struct search s = { .found = add_type, .arg = &found };
	int rc = search_files(files, host, port, &s, err);

	for (size_t i = 0; i < found.n && rc == 0; i++)
		strvec_push(types, found.v[i]);
	strvec_release(&found);
	return rc;
}

struct check {
	const char *type;
	const void *blob;
	size_t blob_len;
	struct knownhosts_result result;
};

static enum knownhosts_verdict judge(const struct check *c, const struct line *line)
{
	bool same = line->key_len == c->blob_len && memcmp(line->key, c->blob, c->blob_len) == 0;

	if (line->marker == MARKER_REVOKED)
		return same ? KNOWNHOSTS_REVOKED : KNOWNHOSTS_UNKNOWN;
	if (line->marker == MARKER_CERT_AUTHORITY)
		return KNOWNHOSTS_CERT_ONLY;
	if (same)
		return KNOWNHOSTS_MATCH;
	return span_is(line->type, c->type) ? KNOWNHOSTS_CHANGED : KNOWNHOSTS_OTHER_TYPE;
}

static void check_line(void *arg, const struct line *line)
{
	struct check *c = arg;
	enum knownhosts_verdict verdict = judge(c, line);

	if (verdict <= c->result.verdict)
		return;
	c->result.verdict = verdict;
	snprintf(c->result.place, sizeof c->result.place, "%s:%zu", line->file, line->number);
	snprintf(c->result.known_type, sizeof c->result.known_type, "%.*s", (int)line->type.n, line->type.p);
	knownhosts_fingerprint(line->key, line->key_len, c->result.known);
}

int knownhosts_check(const struct strvec *files, const char *host, int port, const char *type,
		     const void *blob, size_t blob_len, struct knownhosts_result *out, struct error *err)
{
	struct check c = { .type = type, .blob = blob, .blob_len = blob_len };
	struct search s = { .warn = true, .found = check_line, .arg = &c };

	if (search_files(files, host, port, &s, err) != 0)
		return -1;
	*out = c.result;
	return 0;
}

void knownhosts_fingerprint(const void *blob, size_t blob_len, char out[KNOWNHOSTS_FINGERPRINT])
{
	unsigned char digest[SHA256_BYTES] = { 0 }, base64[4 * ((SHA256_BYTES + 2) / 3) + 1];

	EVP_Digest(blob, blob_len, digest, NULL, EVP_sha256(), NULL);
	EVP_EncodeBlock(base64, digest, SHA256_BYTES);
	base64[strcspn((char *)base64, "=")] = '\0';
	snprintf(out, KNOWNHOSTS_FINGERPRINT, "SHA256:%s", (char *)base64);
}
