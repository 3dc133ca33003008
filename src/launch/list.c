/*
 * The reply of remote/list.sh: a table of lines, each with its fields; what breaks a rule breaks the whole reply.
 */
#include "launch/list.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "config/cluster.h"
#include "launch/fields.h"
#include "launch/look.h"
#include "stage/site.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/strtab.h"
#include "util/xalloc.h"

enum { LIST_MAX_FIELDS = 16, LIST_ATTEMPT_FIELDS = 14, LIST_MAX_N = 999999, LIST_MORE_MS = 60 * 1000 };

#define LIST_BYTES "._,:/?-"

static const struct strtab gos[] = {
	{ OBS_CLAIM_NONE, "-" }, { OBS_CLAIM_RUN, "run" }, { OBS_CLAIM_FENCE, "fence" }, { OBS_CLAIM_PENDING, "?" },
	{ 0, NULL },
};

/* Why something that is named like a job is none. */
static const struct {
	const char *word, *text;
} whys[] = {
	{ "link", "it is a symbolic link" },
	{ "file", "it is no directory" },
	{ "foreign", "it has no .kedge/: somebody else's" },
	{ "json", "its .kedge/job.json is missing, no regular file, too long, or cannot be read" },
	{ "many", "it has more than 1000 attempts" },
};

/* Foreign text as it was; NULL: an escape that is none. */
static char *parse_text(const char *s)
{
	struct strbuf text = STRBUF_INIT;

	while (*s) {
		size_t n = strcspn(s, "%");
		strbuf_add(&text, s, n);
		s += n;
		if (!*s)
			break;
		int c = !strncmp(s, "%20", 3) ? ' ' : !strncmp(s, "%0A", 3) ? '\n' : !strncmp(s, "%25", 3) ? '%' : 0;
		if (!c) {
			strbuf_release(&text);
			return NULL;
		}
		strbuf_addch(&text, c);
		s += 3;
	}
	return strbuf_detach(&text, NULL);
}

static struct listed_tree *add_tree(struct listing *l, const char *job_id)
{
	if (!id_is_uuid(job_id))
		return NULL;
	XGROW(l->v, l->cap, l->n + 1);
	struct listed_tree *t = &l->v[l->n++];
	*t = (struct listed_tree){ 0 };
	memcpy(t->job_id, job_id, sizeof t->job_id);
	return t;
}

static bool parse_tree(char **f, size_t count, struct listing *l)
{
	struct listed_tree *t = count == 4 ? add_tree(l, f[1]) : NULL;

	if (!t || (strcmp(f[2], "-") && !digest_is_hex(f[2], DIGEST_HEX)))
		return false;
	if (strcmp(f[2], "-"))
		memcpy(t->sha256, f[2], sizeof t->sha256);
	t->json = parse_text(f[3]);
	return t->json != NULL;
}

static bool parse_refused(char **f, size_t count, struct listing *l)
{
	struct listed_tree *t = count == 3 ? add_tree(l, f[1]) : NULL;

	for (size_t i = 0; t && i < sizeof whys / sizeof whys[0]; i++)
		if (!strcmp(whys[i].word, f[2]))
			t->why = whys[i].text;
	return t && t->why;
}

/* Of the tree of the line before. */
static bool parse_attempt(char **f, size_t count, struct listing *l)
{
	struct listed_tree *t = l->n ? &l->v[l->n - 1] : NULL;
	struct listed_attempt a = { 0 };
	int64_t n, sig;
	int go;

	if (count != LIST_ATTEMPT_FIELDS || !t || !t->json || strcmp(t->job_id, f[1]) ||
	    !fields_optional(f[2], LIST_MAX_N, 0, &n) || n < 1 || (strcmp(f[3], "-") && !id_is_token(f[3])))
		return false;
	a.n = (int)n;
	if (strcmp(f[3], "-"))
		memcpy(a.token, f[3], sizeof a.token);
	go = strtab_value(gos, f[4], -1);
	if (go < 0 || !fields_status(f[5], &a.launch_rc) || !fields_status(f[6], &a.exit_rc) || !fields_optional(f[7], 255, 0, &sig) ||
	    !fields_time(f[8], &a.cancel_ms) || !fields_plain(f[9], LIST_BYTES, a.host, sizeof a.host) ||
	    !fields_plain(f[10], LIST_BYTES, a.gpus, sizeof a.gpus) || !fields_time(f[11], &a.launched_ms) ||
	    !fields_time(f[12], &a.started_ms) || !fields_time(f[13], &a.ended_ms))
		return false;
	a.go = (enum obs_claim)go;
	a.signal = (int)sig;
	XGROW(t->attempts, t->cap, t->n + 1);
	t->attempts[t->n++] = a;
	return true;
}

/* What was read so far. */
struct progress {
	bool header, others, end;
	int64_t lines; /* T, A and X */
};

/* One line.  false: not of the grammar. */
static bool parse_line(char *line, struct listing *l, struct progress *p)
{
	char *f[LIST_MAX_FIELDS];
	size_t count = fields_split(line, f, LIST_MAX_FIELDS);
	int64_t said;

	if (!count || f[0][1] || p->end || (f[0][0] == 'H') == p->header)
		return false;
	switch (f[0][0]) {
	case 'H':
		p->header = true;
		return count == 2 && strcmp(f[1], "-") && fields_time(f[1], &l->now_ms);
	case 'T':
		p->lines++;
		return !p->others && parse_tree(f, count, l);
	case 'A':
		p->lines++;
		return !p->others && parse_attempt(f, count, l);
	case 'X':
		p->lines++;
		return !p->others && parse_refused(f, count, l);
	case 'O':
		if (p->others || count != 2)
			return false;
		p->others = true;
		return fields_optional(f[1], INT_MAX, -1, &l->others) && l->others >= 0;
	case 'E':
		p->end = true;
		return p->others && count == 2 && fields_optional(f[1], INT_MAX, -1, &said) && said == p->lines;
	default:
		return false;
	}
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct listed_tree *)a)->job_id, ((const struct listed_tree *)b)->job_id);
}

static int by_n(const void *a, const void *b)
{
	return ((const struct listed_attempt *)a)->n - ((const struct listed_attempt *)b)->n;
}

/* Sort; false: something came twice. */
static bool put_in_order(struct listing *l)
{
	if (l->n)
		qsort(l->v, l->n, sizeof *l->v, by_id);
	for (size_t i = 0; i < l->n; i++) {
		struct listed_tree *t = &l->v[i];
		if (i && !by_id(t - 1, t))
			return false;
		if (t->n)
			qsort(t->attempts, t->n, sizeof *t->attempts, by_n);
		for (size_t k = 1; k < t->n; k++)
			if (t->attempts[k].n == t->attempts[k - 1].n)
				return false;
	}
	return true;
}

static int parse_lines(char *text, struct listing *l, struct error *err)
{
	struct progress p = { 0 };
	size_t no = 0;

	for (char *line = text, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		if (!end)
			return error_set(err, ERROR_PROTOCOL, "the listing ends inside a line");
		*end = 0;
		no++;
		if (!parse_line(line, l, &p))
			return error_set(err, ERROR_PROTOCOL, "line %zu of the listing cannot be read", no);
	}
	if (!p.end)
		return error_set(err, ERROR_PROTOCOL, "the listing lacks its last line");
	if (!put_in_order(l))
		return error_set(err, ERROR_PROTOCOL, "the listing names a job or an attempt twice");
	return 0;
}

int list_parse(const char *reply, size_t len, struct listing *out, struct error *err)
{
	struct strbuf copy = STRBUF_INIT;
	struct listing l = { 0 };
	int rc = -1;

	strbuf_add(&copy, reply, len);
	if (memchr(reply, 0, len)) {
		error_set(err, ERROR_PROTOCOL, "the listing holds a NUL byte");
		goto out;
	}
	if (parse_lines(copy.buf, &l, err))
		goto out;
	*out = l;
	l = (struct listing){ 0 };
	rc = 0;
out:
	listing_release(&l);
	strbuf_release(&copy);
	return rc;
}

void listing_release(struct listing *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->v[i].json);
		free(l->v[i].attempts);
	}
	free(l->v);
	*l = (struct listing){ 0 };
}

int list_trees(struct site *site, struct listing *out, struct error *err)
{
	const struct cluster *cluster = site_cluster(site);
	struct strbuf reply = STRBUF_INIT;
	int status, rc = -1;

	/* All trees of years are read: longer than what a look may take. */
	if (site_script(site, "list.sh", NULL, NULL, LIST_MORE_MS, &status, &reply, NULL, err))
		goto out;
	if (status == LOOK_NO_ROOT)
		error_set(err, ERROR_REFUSED, "cannot enter the cluster's root '%s'", cluster->root);
	else
		rc = list_parse(reply.buf, reply.len, out, err);
	if (rc)
		error_wrap(err, "cluster '%s'", cluster->name);
out:
	strbuf_release(&reply);
	return rc;
}
