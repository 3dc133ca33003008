/*
 * At submit: what will run is what is here now.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "config/gitref.h"
#include "config/spec.h"
#include "stage/gitsource.h"
#include "stage/inputs.h"
#include "stage/manifest.h"
#include "stage/pack.h"
#include "stage/program.h"
#include "stage/stage.h"
#include "util/fsutil.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/strtab.h"
#include "util/strvec.h"
#include "util/vis.h"
#include "util/xalloc.h"

/* The name of a file in the source that is nearest to path, or NULL. */
static char *nearest(const struct source *src, const char *path)
{
	const char **files = xcalloc(src->n + 1, sizeof *files), *found;
	size_t n = 0;
	char *copy;

	for (size_t i = 0; i < src->n; i++)
		if (S_ISREG(src->v[i].mode))
			files[n++] = src->v[i].path;
	found = strtab_nearest(path, files);
	copy = found ? vis(found) : NULL;
	free(files);
	return copy;
}

/* key: of the spec.  path: NULL when it is not set. */
static int check_file(const struct source *src, const char *key, const char *path, struct error *err)
{
	const struct source_entry *e = path ? source_resolve(src, path) : NULL;
	const struct source_ignored *ignored;
	char *dir, *shown, *near;

	if (!path || (e && S_ISREG(e->mode)))
		return 0;
	ignored = source_find_ignored(src, path);
	dir = vis(src->name);
	shown = vis(path);
	near = e || ignored ? NULL : nearest(src, path);
	if (ignored)
		error_set(err, ERROR_SPEC, "%s '%s' is ignored by %s", key, shown, ignored->by);
	else if (e)
		error_set(err, ERROR_SPEC, "%s '%s' is a directory of code '%s', not a file", key, shown, dir);
	else if (near)
		error_set(err, ERROR_SPEC, "%s '%s' is not in code '%s'; did you mean '%s'?", key, shown, dir, near);
	else
		error_set(err, ERROR_SPEC, "%s '%s' is not in code '%s'", key, shown, dir);
	free(dir);
	free(shown);
	free(near);
	return -1;
}

static int write_text(const char *spool, const char *name, const struct strbuf *text, struct error *err)
{
	char *path = path_join(spool, name);
	int rc = fsutil_write(path, text->buf, text->len, 0600, err);

	free(path);
	return rc;
}

/* The pack first: the directory is synced when the others are written. */
static int write_spool(const struct source *src, const char *spool, struct inputs *in, struct error *err)
{
	char *pack = path_join(spool, "code.tar");
	struct manifest m = MANIFEST_INIT;
	struct strbuf text = STRBUF_INIT;
	int rc = -1;

	if (pack_write(src, "code", pack, &m, in->pack_sha256, &in->pack_bytes, err) != 0)
		goto out;
	manifest_sort(&m);
	manifest_format(&m, &text);
	if (write_text(spool, "code.manifest", &text, err) != 0)
		goto out;
	strbuf_reset(&text);
	inputs_format(in, &text);
	if (write_text(spool, "inputs", &text, err) != 0)
		goto out;
	rc = 0;
out:
	strbuf_release(&text);
	manifest_release(&m);
	free(pack);
	return rc;
}

/* Found once, here: what the directory is like later does not matter. */
static void find_interpreter(struct spec *spec, const struct source *src)
{
	const struct source_entry *e = spec->entry ? source_resolve(src, spec->entry) : NULL;
	char *path = e ? path_join(src->dir, e->path) : NULL;

	free(spec->interpreter);
	spec->interpreter = path ? program_interpreter(path, spec->entry) : NULL;
	free(path);
}

static int check_git(struct spec *spec, const struct gitsource *git, const struct source *src, struct error *err)
{
	free(spec->commit);
	spec->commit = xstrdup(git->commit);
	if (gitsource_check(git, src, err) != 0)
		return -1;
	if (spec->entry && !spec->interpreter)
		return error_set(err, ERROR_SPEC, "entry '%s' is neither executable nor has a #! line; type: git update-index --chmod=+x",
				 spec->entry);
	return 0;
}

static int write_commit(const char *spool, const struct gitsource *git, struct error *err)
{
	struct strbuf text = STRBUF_INIT;
	int rc;

	strbuf_addf(&text, "%s %s\n", git->commit, git->code);
	rc = write_text(spool, "commit", &text, err);
	strbuf_release(&text);
	return rc;
}

static int snapshot(struct spec *spec, const struct gitsource *git, const char *dir, const char *spool, struct source *src_out,
		    struct error *err)
{
	struct source_rules rules = { git ? spec->code : NULL, git && !git->dirty, git && git->dirty ? &git->tracked : NULL };
	struct source src = SOURCE_INIT;
	struct inputs in = INPUTS_INIT;
	int rc = -1;

	if (source_walk_rules(dir, &rules, &src, err) != 0)
		goto out;
	if (check_file(&src, "entry", spec->entry, err) != 0 ||
	    check_file(&src, "requirements", spec->requirements, err) != 0 || inputs_record(spec, &in, err) != 0)
		goto out;
	find_interpreter(spec, &src);
	if (git && check_git(spec, git, &src, err) != 0)
		goto out;
	if (spool && write_spool(&src, spool, &in, err) != 0)
		goto out;
	if (spool && git && write_commit(spool, git, err) != 0)
		goto out;
	if (src_out) {
		*src_out = src;
		src = (struct source)SOURCE_INIT;
	}
	rc = 0;
out:
	inputs_release(&in);
	source_release(&src);
	return rc;
}

int stage_snapshot(struct spec *spec, const char *spool, struct source *src_out, struct error *err)
{
	struct gitsource git = GITSOURCE_INIT;
	const char *dir;
	int rc;

	if (!gitref_is(spec->code)) {
		dir = spec_local_path(spec->code, err);
		return dir ? snapshot(spec, NULL, dir, spool, src_out, err) : -1;
	}
	if (gitsource_open(spec->code, spool, &git, err) != 0)
		return -1;
	rc = snapshot(spec, &git, git.dir, spool, src_out, err);
	gitsource_close(&git);
	return rc;
}
