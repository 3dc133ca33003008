#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "config/config.h"
#include "job/haul.h"
#include "stage/fetch.h"
#include "stage/pick.h"
#include "store/job.h"
#include "util/error.h"
#include "util/log.h"
#include "util/path.h"
#include "util/strtab.h"
#include "util/units.h"
#include "util/vis.h"
#include "util/xalloc.h"

static const struct cmd_option options[] = {
	{ "include", 'i', "GLOB", "fetch this instead of outputs/ and logs/, as 'outputs/*.pt' (may be repeated)" },
	{ "to", 0, "DIR", "put it into DIR instead of ./NAME-NUMBER" },
	{ "dry-run", 'n', NULL, "print what would be fetched, and write nothing" },
	{ "json", 0, NULL, "print JSON" },
	{ NULL },
};

static const struct strtab states[] = {
	{ FETCH_WANTED, "wanted" },   { FETCH_FETCHED, "fetched" }, { FETCH_UNCHANGED, "unchanged" }, { FETCH_SKIPPED, "skipped" },
	{ FETCH_GONE, "gone" },       { FETCH_WRITING, "writing" }, { FETCH_FAILED, "failed" },       { 0, NULL },
};

static const char *reason(const struct fetch_file *file)
{
	if (file->why)
		return file->why;
	return file->state == FETCH_WRITING ? "it is still being written" : file->state == FETCH_GONE ? "it was removed meanwhile" : NULL;
}

/* As it happens; what did not work is warned of. */
static void tell(void *arg, const struct fetch_file *file)
{
	char *path = vis(file->entry->path), size[UNITS_TEXT];

	(void)arg;
	units_size(file->entry->size, size);
	if (file->state == FETCH_FETCHED)
		log_info("'%s' (%s)", path, size);
	else if (file->state == FETCH_SKIPPED || file->state == FETCH_FAILED || file->state == FETCH_WRITING)
		log_warn("'%s' is not fetched: %s", path, reason(file));
	else
		log_debug("'%s' %s", path, strtab_word(states, (int)file->state));
	free(path);
}

static json_t *text(const char *s)
{
	json_t *v = s ? json_string(s) : json_null();

	if (!v) { /* a name that is no UTF-8 */
		char *safe = vis(s);
		v = json_string(safe);
		free(safe);
	}
	return v;
}

static json_t *file_json(const struct fetch_file *file)
{
	const struct catalog_entry *e = file->entry;
	json_t *v = json_object();

	json_object_set_new(v, "path", text(e->path));
	json_object_set_new(v, "state", json_string(strtab_word(states, (int)file->state)));
	json_object_set_new(v, "size", S_ISREG(e->mode) ? json_integer(e->size) : json_null());
	json_object_set_new(v, "sha256", *e->sha256 ? json_string(e->sha256) : json_null());
	json_object_set_new(v, "target", text(e->target));
	json_object_set_new(v, "why", text(reason(file)));
	return v;
}

static int print_json(const struct fetch *f, const struct job *job, struct error *err)
{
	json_t *files = json_array(), *v = json_object();

	for (size_t i = 0; i < f->n; i++)
		if (!S_ISDIR(f->v[i].entry->mode) || f->v[i].state == FETCH_FAILED)
			json_array_append_new(files, file_json(&f->v[i]));
	json_object_set_new(v, "schema", json_integer(1));
	json_object_set_new(v, "job", json_integer(job->number));
	json_object_set_new(v, "dir", text(f->dir));
	json_object_set_new(v, "files", files);
	json_object_set_new(v, "fetched_files", json_integer(f->files));
	json_object_set_new(v, "fetched_bytes", json_integer(f->bytes));
	json_object_set_new(v, "verified_by", text(*f->verified_by ? f->verified_by : NULL));
	return output_json(v, err);
}

static void print_text(const struct fetch *f)
{
	char *dir = output_is_tty() ? vis(f->dir) : xstrdup(f->dir), size[UNITS_TEXT];

	for (size_t i = 0; f->dry_run && i < f->n; i++) {
		char *path;

		if (f->v[i].state != FETCH_WANTED)
			continue;
		path = vis(f->v[i].entry->path);
		units_size(f->v[i].entry->size, size);
		printf("%10s  %s\n", size, path);
		free(path);
	}
	if (!f->dry_run) {
		units_size(f->bytes, size);
		log_note("%lld files fetched (%s)", (long long)f->files, size);
		puts(dir);
	}
	free(dir);
}

static int pick(const struct cmd_args *args, struct pick *p, struct error *err)
{
	for (size_t i = 0; i < args->n_given; i++)
		if (!strcmp(args->given[i].option->name, "include") && pick_add(p, args->given[i].value, err))
			return error_wrap(err, "fetch");
	if (!p->n && (pick_add(p, "outputs", err) || pick_add(p, "logs", err)))
		return -1;
	pick_finish(p);
	return 0;
}

static char *choose_dir(const char *given, const struct job *job, struct error *err)
{
	char *dir;

	if (given && *given)
		return xstrdup(given);
	if (given) {
		error_set(err, ERROR_USAGE, "fetch: --to needs the name of a directory");
		return NULL;
	}
	dir = xasprintf("%s-%lld", job->name && path_is_plain(job->name) ? job->name : "job", (long long)job->number);
	if (path_is_name(dir))
		return dir;
	free(dir);
	return xasprintf("job-%lld", (long long)job->number);
}

static void go_on_later(struct error *why)
{
	struct error was = *why;

	error_set(why, was.kind, "%.900s; what has come stays, to go on: the same command", was.text);
}

static int fetch(struct cmd_context *ctx, const struct cmd_args *args, const struct job *job, struct fetch *f, struct error *err)
{
	struct cluster cluster = { 0 };
	struct error why = { 0 };
	int rc;

	if (config_cluster(ctx->config, job->cluster, &cluster, err))
		return -1;
	rc = haul_job(ctx->store, &cluster, job, f, &why);
	cluster_release(&cluster);
	if (f->n && options_has(args, "json"))
		print_json(f, job, NULL);
	else if (!rc || why.kind == ERROR_JOB || why.kind == ERROR_CHECKSUM)
		print_text(f);
	if (rc && f->n && error_is_unknown(why.kind) && !f->dry_run)
		go_on_later(&why);
	if (rc && err)
		*err = why;
	return rc;
}

static int run(struct cmd_context *ctx, const struct cmd_args *args, struct error *err)
{
	struct pick p = PICK_INIT;
	struct fetch f = { .pick = &p, .mask = ctx->umask, .dry_run = options_has(args, "dry-run"), .told = tell };
	struct job job = { 0 };
	char *dir = NULL;
	int rc = -1;

	if (args->n_rest != 1)
		return error_set(err, ERROR_USAGE, "fetch: one job is expected; see: kedge help fetch");
	if (pick(args, &p, err) == 0 && job_find(ctx->store, args->rest[0], &job, err) == 0) {
		dir = choose_dir(options_get(args, "to"), &job, err);
		f.dir = dir;
		if (dir)
			rc = fetch(ctx, args, &job, &f, err);
	}
	fetch_release(&f);
	pick_release(&p);
	job_release(&job);
	free(dir);
	return rc;
}

const struct cmd cmd_fetch = {
	.name = "fetch",
	.summary = "bring the results of a job here: outputs/ and logs/",
	.usage = "[-i GLOB] [--to DIR] [-n] [--json] JOB",
	.options = options,
	.examples = "  kedge fetch 42\n"
		    "  kedge fetch --include 'outputs/*.pt' --to best resnet-baseline\n"
		    "  kedge fetch --include '.kedge/a1/outputs/**' 42\n",
	.needs = CMD_CONFIG | CMD_STORE_WRITE,
	.run = run,
};
