#include "config/gitref.h"

#include <stdlib.h>
#include <string.h>

#include "config/text.h"
#include "util/error.h"
#include "util/xalloc.h"

static const char prefix[] = "git:", suffix[] = "+dirty";

bool gitref_is(const char *source)
{
	return strncmp(source, prefix, strlen(prefix)) == 0;
}

void gitref_release(struct gitref *ref)
{
	free(ref->url);
	free(ref->rev);
	*ref = (struct gitref){ 0 };
}

char *gitref_text(const struct gitref *ref)
{
	return xasprintf("%s%s@%s%s", prefix, ref->url, ref->rev, ref->dirty ? suffix : "");
}

/* The '@' before REV, or NULL. */
static const char *find_at(const char *s)
{
	const char *at = NULL;

	for (; *s; s++)
		if (*s == '@' && s[1] != '{')
			at = s;
	return at;
}

static int check_rev(const char *source, const char *rev, struct error *err)
{
	struct text_quoted q, s;

	if (!*rev)
		return error_set(err, ERROR_SPEC, "'%s' names no revision; write git:URL@REV", text_quote(&s, source));
	if (strlen(rev) > GITREF_MAX_REV)
		return error_set(err, ERROR_SPEC, "the revision '%s' is longer than %d bytes", text_quote(&q, rev), GITREF_MAX_REV);
	if (strchr("-^/", *rev) || strpbrk(rev, " \t:?*[\\") || strstr(rev, ".."))
		return error_set(err, ERROR_SPEC, "'%s' is no revision; write git:URL@REV", text_quote(&q, rev));
	return 0;
}

/* SCHEME://[USER@]HOST/... or [USER@]HOST:... */
static int check_remote(const char *url, struct error *err)
{
	static const char *const schemes[] = { "https", "http", "ssh", "git", "file", NULL };
	const char *sep = strstr(url, "://"), *host = sep ? sep + 3 : url;
	size_t n = strcspn(host, sep ? "/" : ":");
	const char *at = memrchr(host, '@', n), *colon = memchr(host, ':', at ? (size_t)(at - host) : 0);
	size_t known = 0;
	struct text_quoted q;

	while (sep && schemes[known] &&
	       !(strlen(schemes[known]) == (size_t)(sep - url) && strncmp(schemes[known], url, (size_t)(sep - url)) == 0))
		known++;
	if ((sep && !schemes[known]) || strstr(host, "::") == host + n)
		return error_set(err, ERROR_SPEC, "'%s': https, http, ssh, git and file are taken, and HOST:PATH", text_quote(&q, url));
	if (colon)
		return error_set(err, ERROR_SPEC, "a URL with a password would be kept and sent; let git ask a credential helper for it");
	if (at) {
		n -= (size_t)(at + 1 - host);
		host = at + 1;
	}
	if (*host == '-' || !host[n] || !host[n + 1])
		return error_set(err, ERROR_SPEC, "'%s' is no URL of a repository", text_quote(&q, url));
	return 0;
}

int gitref_parse(const char *source, struct gitref *out, struct error *err)
{
	const char *url = source + strlen(prefix), *at = find_at(url);
	struct gitref ref = { 0 };
	struct text_quoted q;
	size_t n;

	if (!at || at == url)
		return error_set(err, ERROR_SPEC, "'%s' names no %s; write git:URL@REV", text_quote(&q, source),
				 at ? "repository" : "revision");
	ref.url = xstrndup(url, (size_t)(at - url));
	ref.rev = xstrdup(at + 1);
	n = strlen(ref.rev);
	if (n >= strlen(suffix) && strcmp(ref.rev + n - strlen(suffix), suffix) == 0) {
		ref.dirty = true;
		ref.rev[n - strlen(suffix)] = '\0';
	}
	n = strcspn(ref.url, ":/");
	ref.local = ref.url[n] != ':';
	if (check_rev(source, ref.rev, err) != 0)
		goto fail;
	if (*ref.url == '-') {
		error_set(err, ERROR_SPEC, "'%s' begins with '-'; write ./%s", text_quote(&q, ref.url), ref.url);
		goto fail;
	}
	if (!ref.local && check_remote(ref.url, err) != 0)
		goto fail;
	if (!ref.local && ref.dirty) {
		error_set(err, ERROR_SPEC, "'%s': +dirty goes with a path, a repository has no work tree to be seen elsewhere",
			  text_quote(&q, source));
		goto fail;
	}
	*out = ref;
	return 0;
fail:
	gitref_release(&ref);
	return -1;
}
