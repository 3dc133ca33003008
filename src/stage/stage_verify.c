/*
 * One script for all that was sent: remote/stage.sh unpacks, hashes and gives a tree its name.  Where it has
 * no tool to hash with, the files are read back over SFTP before a second script gives the name.
 */
#include <stdlib.h>
#include <string.h>

#include "config/cluster.h"
#include "stage/site.h"
#include "stage/staging.h"
#include "stage/verdict.h"
#include "template/builtin.h"
#include "transport/sftp.h"
#include "util/units.h"
#include "util/vars.h"
#include "util/vis.h"
#include "util/xalloc.h"

enum {
	FULL_KIB = 256,       /* less than that is a full disk, whatever a tool said */
	BYTES_PER_MS = 5000,  /* a slow disk, read twice */
	FILE_MS = 5,
	SHOWN_NAMES = 3,
};

static void explain_sum(const struct plan *p, const struct verdict *v, struct error *why)
{
	struct strbuf names = STRBUF_INIT;
	size_t shown = 0;

	for (size_t i = 0; i < v->n_indexes && i < SHOWN_NAMES; i++) {
		const char *name;

		if (v->indexes[i] >= p->n_order)
			continue;
		name = plan_name(p, v->indexes[i]);
		strbuf_addstr(&names, shown++ ? ", '" : "'");
		vis_add(&names, name, strnlen(name, 200));
		strbuf_addch(&names, '\'');
	}
	if (v->number > (int64_t)shown)
		strbuf_addf(&names, " and %lld more", (long long)v->number - (long long)shown);
	error_set(why, ERROR_CHECKSUM, "%s arrived altered (sha256 is not that of what was sent)", names.buf);
	strbuf_release(&names);
}

static void explain_io(const struct staging *st, const struct verdict *v, struct error *why)
{
	bool full = (v->free_kib >= 0 && v->free_kib < FULL_KIB) || strcmp(v->text, "No space left on device") == 0;
	bool quota = strcmp(v->text, "Disk quota exceeded") == 0;
	bool denied = strstr(v->text, "Permission denied") || strstr(v->text, "Read-only file system") ||
		      strstr(v->text, "Operation not permitted");
	const char *root = site_cluster(st->site)->root;
	char *text = vis(v->text), free_text[UNITS_TEXT] = "?", total_text[UNITS_TEXT] = "?";

	if (v->free_kib >= 0 && v->total_kib >= 0 && v->total_kib < INT64_MAX / 1024) {
		units_size(v->free_kib * 1024, free_text);
		units_size(v->total_kib * 1024, total_text);
	}
	if (quota)
		error_set(why, ERROR_NO_SPACE, "disk quota exceeded in '%s' (file system: %s free of %s)", root,
			  free_text, total_text);
	else if (full)
		error_set(why, ERROR_NO_SPACE, "no space left in '%s' to unpack the code (%s free of %s)", root,
			  free_text, total_text);
	else if (denied && v->uid >= 0)
		error_set(why, ERROR_DENIED, "'%s': %s (uid %lld)", root, text, (long long)v->uid);
	else
		error_set(why, denied ? ERROR_DENIED : ERROR_REFUSED, "'%s': %s", root, text);
	free(text);
}

static void explain(const struct staging *st, const struct staging_item *it, const struct verdict *v, struct error *why)
{
	const char *id = it->job->job_id, *root = site_cluster(st->site)->root;

	switch (v->kind) {
	case VERDICT_SUM:
		explain_sum(&it->plan, v, why);
		break;
	case VERDICT_SENT:
		error_set(why, ERROR_CHECKSUM, "the upload's '%s' arrived altered (sha256 is not that of what was sent)",
			  v->word);
		break;
	case VERDICT_COUNT:
		error_set(why, ERROR_CHECKSUM, "unpacking the code gave %lld %s instead of %zu", (long long)v->number,
			  v->word, strcmp(v->word, "links") == 0 ? it->plan.links : it->plan.dirs);
		break;
	case VERDICT_GONE:
		error_set(why, ERROR_BUSY, "the upload of '%s' was removed while it was verified", id);
		break;
	case VERDICT_BUSY:
		error_set(why, ERROR_BUSY, "the upload of '%s' is being verified already", id);
		break;
	case VERDICT_EXISTS:
		error_set(why, ERROR_EXISTS, "'%s/%s' is there and is not a job", root, id);
		break;
	case VERDICT_MISS:
		error_set(why, ERROR_PROTOCOL, "the far side looks in its cache for what it was sent");
		break;
	case VERDICT_TOOL:
		error_set(why, ERROR_REFUSED, "'%s' is not in PATH on the cluster, and nothing can be unpacked without it",
			  v->word);
		break;
	default:
		explain_io(st, v, why);
		break;
	}
}

/* Is it worth a second try, as a whole? */
static bool is_missed(const struct staging_item *it, const struct verdict *v)
{
	if (it->whole)
		return false;
	return v->kind == VERDICT_MISS || (it->resume && (v->kind == VERDICT_SUM || v->kind == VERDICT_SENT));
}

static void take_verdict(struct staging *st, struct staging_item *it, const struct verdict *v)
{
	struct error why = { ERROR_NONE, "" };

	if (v->kind == VERDICT_OK) {
		staging_succeed(st, it, it->state == STAGING_UNHASHED ? "sftp" : v->word);
	} else if (v->kind == VERDICT_UNHASHED && it->state == STAGING_SENT) {
		it->state = STAGING_UNHASHED;
	} else if (is_missed(it, v)) {
		it->state = STAGING_MISSED;
	} else if (v->kind == VERDICT_UNHASHED) {
		error_set(&why, ERROR_PROTOCOL, "the far side asks for hashes that it was told");
		staging_fail(st, it, &why);
	} else {
		explain(st, it, v, &why);
		staging_fail(st, it, &why);
	}
}

static int parse_reply(const struct strbuf *reply, const struct strbuf *said, int status, struct staging_item *const *items,
		       size_t n, struct verdict *verdicts, struct error *err)
{
	const char **ids = xcalloc(n, sizeof *ids);
	char *text;
	int rc;

	for (size_t i = 0; i < n; i++)
		ids[i] = items[i]->job->job_id;
	rc = verdict_parse(reply->buf, reply->len, ids, n, verdicts, err);
	if (rc != 0 && status != 0) {
		text = vis(said->buf);
		error_set(err, ERROR_PROTOCOL, "verifying an upload ended with status %d: %.300s", status, text);
		free(text);
	}
	free(ids);
	return rc;
}

/* Ask about all items in a state: verify and show what was SENT, show what is UNHASHED and was read back. */
static int verify(struct staging *st, enum staging_state state, struct error *err)
{
	struct strbuf body = STRBUF_INIT, reply = STRBUF_INIT, said = STRBUF_INIT;
	struct staging_item **items = xcalloc(st->n, sizeof *items);
	struct verdict *verdicts = xcalloc(st->n, sizeof *verdicts);
	struct error why = { ERROR_NONE, "" };
	struct vars vars = VARS_INIT;
	int64_t extra_ms = 0;
	size_t n = 0;
	int rc = -1, status = 0;

	vars_set(&vars, "cache_lib", template_builtin("remote/cache_lib.sh"));
	for (size_t i = 0; i < st->n; i++) {
		struct staging_item *it = &st->v[i];

		if (it->state != state)
			continue;
		items[n++] = it;
		strbuf_addf(&body, "%s %s ", it->job->job_id, state == STAGING_SENT ? "check" : "finish");
		plan_add_words(&it->plan, &body);
		strbuf_addch(&body, '\n');
		extra_ms += it->plan.all_bytes / BYTES_PER_MS + (int64_t)it->plan.manifest.n * FILE_MS;
	}
	if (n && site_script(st->site, "stage.sh", &vars, body.buf, extra_ms, &status, &reply, &said, &why) != 0) {
		if (error_is_unknown(why.kind)) {
			staging_unknown(&why, err);
			goto out;
		}
		staging_fail_all(st, items, n, state, &why);
		n = 0;
	}
	if (n && parse_reply(&reply, &said, status, items, n, verdicts, err) != 0)
		goto out;
	for (size_t i = 0; i < n; i++)
		take_verdict(st, items[i], &verdicts[i]);
	rc = 0;
out:
	vars_release(&vars);
	strbuf_release(&body);
	strbuf_release(&reply);
	strbuf_release(&said);
	free(items);
	free(verdicts);
	return rc;
}

/* --- reading back ----------------------------------------------------------- */

struct reading {
	struct staging *st;
	struct digest *digest;
};

static int on_read_back(void *arg, const void *data, size_t n, struct error *err)
{
	struct reading *r = arg;

	(void)err;
	digest_add(r->digest, data, n);
	sftp_set_deadline(r->st->sftp, staging_deadline(r->st));
	return 0;
}

/* Does one file hash to what was sent? */
static enum answer read_back(struct staging *st, const struct plan *p, size_t index, struct error *err)
{
	struct reading r = { st, digest_new() };
	char *path = xasprintf("%s/tree/%s", p->incoming, plan_name(p, index));
	char hex[DIGEST_HEX + 1];
	enum answer same = ANSWER_UNKNOWN;

	if (staging_refresh(st, err) == 0 &&
	    sftp_get(st->sftp, path, 0, UINT64_MAX, on_read_back, &r, NULL, err) == 0) {
		digest_finish_hex(r.digest, hex);
		same = strcmp(hex, p->order[index]->sha256) == 0 ? ANSWER_YES : ANSWER_NO;
	}
	digest_free(r.digest);
	free(path);
	return same;
}

/* No tool to hash with on the far side: every file comes back. */
static int read_item_back(struct staging *st, struct staging_item *it, struct error *err)
{
	struct verdict v = { .kind = VERDICT_SUM };
	struct error why = { ERROR_NONE, "" };

	for (size_t i = 0; i < it->plan.n_order; i++) {
		enum answer same = read_back(st, &it->plan, i, &why);

		if (same == ANSWER_UNKNOWN && error_is_unknown(why.kind))
			return staging_unknown(&why, err);
		if (same == ANSWER_UNKNOWN) {
			staging_fail(st, it, &why);
			return 0;
		}
		if (same == ANSWER_NO && v.number++ < VERDICT_MAX_INDEXES)
			v.indexes[v.n_indexes++] = i;
	}
	if (v.number)
		take_verdict(st, it, &v);
	return 0;
}

int staging_verify(struct staging *st, struct error *err)
{
	if (verify(st, STAGING_SENT, err) != 0)
		return -1;
	for (size_t i = 0; i < st->n; i++)
		if (st->v[i].state == STAGING_UNHASHED && read_item_back(st, &st->v[i], err) != 0)
			return -1;
	return verify(st, STAGING_UNHASHED, err);
}

