#include "stage/plan.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "stage/stage.h"
#include "stage/upload.h"
#include "transport/sftp_stripe.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/path.h"
#include "util/vis.h"
#include "util/xalloc.h"

enum {
	MAX_MANIFEST = 1 << 30,
	MAX_INPUTS = 128 << 20,
};

enum { TAIL_MANIFEST, TAIL_NAMES, TAIL_ODD, TAIL_SUMS, TAIL_OBJECTS, TAIL_PLACES };

static const char *const tail_names[PLAN_TAIL] = { "tree/.kedge/manifest", "names", "odd", "sums", "objects",
							 "places" };

/* Of every tree, in the order in which they can be made. */
static const char *const directories[] = {
	"", "tree", "tree/data", "tree/models", "tree/outputs", "tree/logs", "tree/.kedge",
};

void plan_release(struct plan *p)
{
	for (size_t i = 0; i < p->n_uploads; i++)
		upload_free(p->uploads[i]);
	for (size_t i = 0; i < PLAN_TAIL; i++) {
		upload_free(p->tail_uploads[i]);
		if (p->finished)
			strbuf_release(&p->tail_text[i]);
	}
	free(p->uploads);
	free(p->puts);
	free(p->whose);
	free(p->objects);
	free(p->order);
	free(p->incoming);
	free(p->claim);
	strvec_release(&p->paths);
	manifest_release(&p->manifest);
	inputs_release(&p->inputs);
	memset(p, 0, sizeof *p);
	strvec_init(&p->paths);
}

/* --- the snapshot ----------------------------------------------------------- */

static int damaged(const struct stage_job *job, struct error *err)
{
	char *spool = vis(job->spool);

	error_wrap(err, "snapshot '%s' is damaged", spool);
	if (err)
		err->kind = ERROR_STORE;
	free(spool);
	return -1;
}

static int read_spool(const struct stage_job *job, const char *name, size_t cap, struct strbuf *sb, struct error *err)
{
	char *path = path_join(job->spool, name);
	int rc = fsutil_read(path, cap, sb, err);

	free(path);
	return rc == 0 ? 0 : damaged(job, err);
}

static int read_snapshot(struct plan *p, struct error *err)
{
	struct strbuf sb = STRBUF_INIT;
	int rc = -1;

	if (read_spool(p->job, "inputs", MAX_INPUTS, &sb, err) != 0)
		goto out;
	if (inputs_parse(sb.buf, sb.len, &p->inputs, err) != 0) {
		damaged(p->job, err);
		goto out;
	}
	strbuf_reset(&sb);
	if (read_spool(p->job, "code.manifest", MAX_MANIFEST, &sb, err) != 0)
		goto out;
	if (manifest_parse(sb.buf, sb.len, &p->manifest, err) != 0) {
		damaged(p->job, err);
		goto out;
	}
	rc = 0;
out:
	strbuf_release(&sb);
	return rc;
}

/* How many directories the sorted paths of the pack stand for: those with a prefix of their own, and empty ones. */
static void count(struct plan *p)
{
	const char *before = "";

	p->dirs = p->manifest.n == 0;
	for (size_t i = 0; i < p->manifest.n; i++) {
		const struct manifest_entry *e = &p->manifest.v[i];

		for (const char *s = strchr(e->path, '/'); s; s = strchr(s + 1, '/'))
			p->dirs += strncmp(before, e->path, (size_t)(s - e->path) + 1) != 0;
		p->dirs += e->mode == MANIFEST_EMPTY_DIR;
		p->empty_dirs += e->mode == MANIFEST_EMPTY_DIR;
		p->links += e->mode == MANIFEST_LINK;
		before = e->path;
	}
}

/* --- the files to send ------------------------------------------------------ */

/* The next place among puts; name: below incoming. */
static struct sftp_put *next_put(struct plan *p, const char *name, mode_t mode)
{
	struct sftp_put *put = &p->puts[p->n_puts++];

	strvec_push_nodup(&p->paths, *name ? path_join(p->incoming, name) : xstrdup(p->incoming));
	put->path = p->paths.v[p->paths.n - 1];
	put->mode = mode;
	return put;
}

static void put_directory(struct plan *p, const char *name)
{
	next_put(p, name, 0700)->is_dir = true;
}

static void put_upload(struct plan *p, const char *name, mode_t mode, struct upload *u, int64_t bytes)
{
	struct sftp_put *put = next_put(p, name, mode);

	put->read = upload_read;
	put->arg = u;
	p->uploads[p->n_uploads++] = u;
	p->bytes += bytes;
}

/* Synced: it may be used for years without being hashed again. */
static void put_object(struct plan *p, const char *name, bool is_program, struct upload *u, int64_t size)
{
	struct sftp_put *put = &p->puts[p->n_puts];

	p->objects[p->n_objects++] = (struct plan_object){ .size = size, .is_program = is_program, .put = p->n_puts };
	p->whose[p->n_puts] = p->n_objects;
	put_upload(p, name, is_program ? 0700 : 0600, u, size);
	put->fsync = true;
}

/* The directories of a nested name below data/ or models/, unless the one before it had the same. */
static void put_parents(struct plan *p, const struct input *in, const struct input *before)
{
	for (const char *s = strchr(in->name, '/'); s; s = strchr(s + 1, '/')) {
		size_t n = (size_t)(s - in->name);

		if (before && before->is_model == in->is_model && strncmp(before->name, in->name, n + 1) == 0)
			continue;
		char *name = xasprintf("tree/%s/%.*s", inputs_directory(in), (int)n, in->name);

		put_directory(p, name);
		free(name);
	}
}

static size_t count_parents(const struct inputs *in)
{
	size_t n = 0;

	for (size_t i = 0; i < in->n; i++)
		for (const char *s = strchr(in->v[i].name, '/'); s; s = strchr(s + 1, '/'))
			n++;
	return n;
}

static void put_inputs(struct plan *p)
{
	for (size_t i = 0; i < p->inputs.n; i++) {
		const struct input *in = &p->inputs.v[i];
		char *name = xasprintf("tree/%s/%s", inputs_directory(in), in->name);

		put_parents(p, in, i ? in - 1 : NULL);
		put_object(p, name, in->is_program, upload_file(in->source, in->size, in->mtime_ns), in->size);
		free(name);
	}
}

static void lay_out(struct plan *p)
{
	const size_t n_dirs = sizeof directories / sizeof *directories;
	const size_t max = n_dirs + count_parents(&p->inputs) + p->inputs.n + 3;
	char *pack = path_join(p->job->spool, "code.tar");

	p->puts = xcalloc(max, sizeof *p->puts);
	p->whose = xcalloc(max, sizeof *p->whose);
	p->objects = xcalloc(p->inputs.n + 1, sizeof *p->objects);
	p->uploads = xcalloc(p->inputs.n + 3, sizeof *p->uploads);
	for (size_t i = 0; i < n_dirs; i++)
		put_directory(p, directories[i]);
	put_object(p, "pack", false, upload_file(pack, p->inputs.pack_bytes, -1), p->inputs.pack_bytes);
	memcpy(p->objects[0].sha256, p->inputs.pack_sha256, sizeof p->objects[0].sha256);
	put_inputs(p);
	put_upload(p, "tree/run.sh", 0700, upload_buffer(p->job->run_sh, strlen(p->job->run_sh)),
		   (int64_t)strlen(p->job->run_sh));
	put_upload(p, "tree/.kedge/job.json", 0600, upload_buffer(p->job->job_json, strlen(p->job->job_json)),
		   (int64_t)strlen(p->job->job_json));
	p->all_bytes = p->bytes;
	free(pack);
}

static int check_lengths(const struct plan *p, struct error *err)
{
	for (size_t i = 0; i < p->n_puts; i++) {
		if (strlen(p->puts[i].path) < PATH_MAX)
			continue;
		return error_set(err, ERROR_SPEC, "the name of a data or model file is too long below root: %zu bytes",
				 strlen(p->puts[i].path));
	}
	return 0;
}

int plan_make(const struct stage_job *job, const char *root, struct plan *out, struct error *err)
{
	struct plan p = { .job = job };

	strvec_init(&p.paths);
	p.incoming = xasprintf("%s/.kedge/incoming/%s", root, job->job_id);
	p.claim = path_join(p.incoming, "tree/code");
	if (read_snapshot(&p, err) != 0)
		goto failed;
	count(&p);
	lay_out(&p);
	if (check_lengths(&p, err) != 0)
		goto failed;
	*out = p;
	return 0;
failed:
	plan_release(&p);
	*out = p;
	return -1;
}

/* --- what is sent ----------------------------------------------------------- */

void plan_set_cached(struct plan *p, size_t object)
{
	assert(!p->objects[object].cached);
	p->objects[object].cached = true;
	p->bytes -= p->objects[object].size;
}

int plan_resume(struct plan *p, struct error *err)
{
	p->resumed = true;
	for (size_t i = 0; i < p->n_puts; i++) {
		struct plan_object *o = p->whose[i] ? &p->objects[p->whose[i] - 1] : NULL;

		p->puts[i].replace = !p->puts[i].is_dir;
		if (!o || o->cached || o->arrived == 0)
			continue;
		if (upload_skip(p->uploads[p->whose[i] - 1], o->arrived, err) != 0)
			return -1;
		p->puts[i].replace = false;
		p->puts[i].offset = (uint64_t)o->arrived;
		p->bytes -= o->arrived;
	}
	return 0;
}

/* The object that puts[index] sends, or NULL. */
static const struct plan_object *object_of(const struct plan *p, size_t index)
{
	return p->whose[index] ? &p->objects[p->whose[index] - 1] : NULL;
}

size_t plan_add_puts(const struct plan *p, int64_t least, struct sftp_put *puts)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_puts; i++) {
		const struct plan_object *o = object_of(p, i);

		if (!o || (!o->cached && o->size < least))
			puts[n++] = p->puts[i];
	}
	return n;
}

size_t plan_add_stripes(struct plan *p, int64_t least, struct sftp_stripe *stripes)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_puts; i++) {
		const struct plan_object *o = object_of(p, i);

		if (o && !o->cached && o->size >= least)
			stripes[n++] = (struct sftp_stripe){ .put = &p->puts[i], .size = (uint64_t)o->size,
							     .offset = p->puts[i].offset };
	}
	return n;
}

void plan_sent_sha256(const struct plan *p, size_t object, char hex[DIGEST_HEX + 1])
{
	assert(upload_is_done(p->uploads[object]));
	upload_sha256(p->uploads[object], hex);
}

void plan_recall(struct plan *p, const struct stage_memory *memory)
{
	for (size_t i = 0; memory && i < p->inputs.n; i++) {
		const struct input *in = &p->inputs.v[i];
		struct stage_file f;

		if (upload_look(in->source, &f) && f.size == in->size && f.mtime_ns == in->mtime_ns &&
		    memory->find(memory->arg, &f))
			memcpy(p->objects[1 + i].sha256, f.sha256, sizeof f.sha256);
	}
}

void plan_remember(const struct plan *p, const struct stage_memory *memory)
{
	struct stage_file *files;
	size_t n = 0;

	if (!memory)
		return;
	files = xcalloc(p->n_objects, sizeof *files);
	for (size_t i = 1; i < p->n_objects; i++)
		if (!p->objects[i].cached)
			n += upload_identify(p->uploads[i], &files[n]);
	if (n)
		memory->keep(memory->arg, files, n);
	free(files);
}

void plan_key(const struct plan_object *o, char key[PLAN_KEY])
{
	assert(o->sha256[0]);
	snprintf(key, PLAN_KEY, "%s%s", o->sha256, o->is_program ? ".x" : "");
}

/* --- what is verified ------------------------------------------------------- */

bool plan_is_known(const struct plan *p)
{
	for (size_t i = 1; i < p->n_objects; i++)
		if (!p->objects[i].cached || !p->objects[i].sha256[0])
			return false;
	return true;
}

static void list_buffer(struct plan *p, const char *text, unsigned mode, const char *path)
{
	char hex[DIGEST_HEX + 1];

	digest_hex(text, strlen(text), hex);
	manifest_add(&p->manifest, hex, (int64_t)strlen(text), mode, path);
}

/* The hash of what was sent is the one that counts. */
static void list_inputs(struct plan *p, struct strvec *cached)
{
	for (size_t i = 0; i < p->inputs.n; i++) {
		const struct input *in = &p->inputs.v[i];
		struct plan_object *o = &p->objects[1 + i];
		char *path = xasprintf("%s/%s", inputs_directory(in), in->name);

		if (o->cached)
			strvec_push(cached, path);
		else
			plan_sent_sha256(p, 1 + i, o->sha256);
		manifest_add(&p->manifest, o->sha256, o->size, in->is_program ? 0100500 : 0100400, path);
		free(path);
	}
	strvec_sort(cached);
}

static void list_all(struct plan *p, struct strvec *cached)
{
	list_buffer(p, p->job->run_sh, 0100700, "run.sh");
	list_buffer(p, p->job->job_json, 0100600, ".kedge/job.json");
	list_inputs(p, cached);
	manifest_sort(&p->manifest);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Append the regular files whose names hold a newline, or those whose names do not; without those from the cache, which
   were hashed when they were put there. */
static void add_names(struct plan *p, bool odd, const struct strvec *cached, struct strbuf *names)
{
	for (size_t i = 0; i < p->manifest.n; i++) {
		const struct manifest_entry *e = &p->manifest.v[i];

		if (!S_ISREG(e->mode) || !!strchr(e->path, '\n') != odd ||
		    bsearch(&e->path, cached->v, cached->n, sizeof *cached->v, compare_names))
			continue;
		p->order[p->n_order++] = e;
		strbuf_add(names, e->path, strlen(e->path) + 1);
		strbuf_addf(&p->tail_text[TAIL_SUMS], "%s\n", e->sha256);
	}
}

static void add_objects(struct plan *p)
{
	char key[PLAN_KEY];

	for (size_t i = 0; i < p->n_puts; i++) {
		const struct plan_object *o;

		if (!p->whose[i])
			continue;
		o = &p->objects[p->whose[i] - 1];
		plan_key(o, key);
		strbuf_addf(&p->tail_text[TAIL_OBJECTS], "%s %lld %s\n", key, (long long)o->size,
			    o->cached ? "cached" : "sent");
		strbuf_add(&p->tail_text[TAIL_PLACES], p->puts[i].path + strlen(p->incoming) + 1,
			   strlen(p->puts[i].path) - strlen(p->incoming));
	}
}

void plan_finish(struct plan *p)
{
	struct strvec cached = STRVEC_INIT;

	if (p->finished)
		return;
	p->finished = true;
	list_all(p, &cached);
	p->order = xcalloc(p->manifest.n, sizeof *p->order);
	for (size_t i = 0; i < PLAN_TAIL; i++)
		strbuf_init(&p->tail_text[i]);
	manifest_format(&p->manifest, &p->tail_text[TAIL_MANIFEST]);
	add_names(p, false, &cached, &p->tail_text[TAIL_NAMES]);
	add_names(p, true, &cached, &p->tail_text[TAIL_ODD]);
	add_objects(p);
	strvec_release(&cached);
	for (size_t i = 0; i < PLAN_TAIL; i++) {
		const struct strbuf *text = &p->tail_text[i];

		strvec_push_nodup(&p->paths, path_join(p->incoming, tail_names[i]));
		p->tail_uploads[i] = upload_buffer(text->buf, text->len);
		p->tail[i] = (struct sftp_put){ .path = p->paths.v[p->paths.n - 1], .mode = 0600, .read = upload_read,
						.arg = p->tail_uploads[i], .replace = p->resumed };
	}
}

int plan_check_sent(const struct plan *p, struct error *err)
{
	char hex[DIGEST_HEX + 1];

	if (p->objects[0].cached)
		return 0;
	plan_sent_sha256(p, 0, hex);
	if (strcmp(hex, p->inputs.pack_sha256) == 0)
		return 0;
	error_set(err, ERROR_STORE, "the pack is not what was packed at submit");
	return damaged(p->job, err);
}

int64_t plan_bytes(const struct plan *p)
{
	int64_t bytes = p->bytes;

	for (size_t i = 0; i < PLAN_TAIL; i++)
		bytes += (int64_t)p->tail_text[i].len;
	return bytes;
}

const char *plan_name(const struct plan *p, size_t index)
{
	return p->order[index]->path;
}

static void add_count(struct strbuf *out, size_t n, bool matters)
{
	if (matters)
		strbuf_addf(out, "%zu ", n);
	else
		strbuf_addstr(out, "- ");
}

void plan_add_words(const struct plan *p, struct strbuf *out)
{
	static const int hashed[] = { TAIL_NAMES, TAIL_ODD, TAIL_SUMS, TAIL_MANIFEST, TAIL_OBJECTS, TAIL_PLACES };
	char hex[DIGEST_HEX + 1];
	size_t cached = 0;

	add_count(out, p->dirs, p->empty_dirs > 0);
	add_count(out, p->links, p->links > 0);
	add_count(out, p->inputs.n, p->inputs.n > 0);
	for (size_t i = 0; i < p->n_objects; i++)
		cached += p->objects[i].cached;
	add_count(out, cached, cached > 0);
	strbuf_addstr(out, p->inputs.pack_sha256);
	for (size_t i = 0; i < sizeof hashed / sizeof *hashed; i++) {
		const struct strbuf *text = &p->tail_text[hashed[i]];

		digest_hex(text->buf, text->len, hex);
		strbuf_addf(out, " %s", hex);
	}
}
