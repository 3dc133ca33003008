#include "config.h"

#include "stage/inputs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/spec.h"
#include "stage/manifest.h"
#include "stage/source.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/strvec.h"
#include "util/vis.h"
#include "util/xalloc.h"

enum { MAX_BELOW = 10000 }; /* files that one name may stand for: the far side handles each by itself */

static const char header[] = "kedge-inputs 1\n";

void inputs_release(struct inputs *in)
{
	if (!in)
		return;
	for (size_t i = 0; i < in->n; i++) {
		free(in->v[i].name);
		free(in->v[i].source);
	}
	free(in->v);
	*in = (struct inputs)INPUTS_INIT;
}

const char *inputs_directory(const struct input *in)
{
	return in->is_model ? "models" : "data";
}

static struct input *append(struct inputs *in)
{
	XGROW(in->v, in->cap, in->n + 1);
	in->v[in->n] = (struct input){ .mtime_ns = -1 };
	return &in->v[in->n++];
}

/* --- recording -------------------------------------------------------------- */

static int input_error(const struct input *in, const char *path, const char *why, struct error *err)
{
	char *name = vis(in->name), *shown = vis(path);

	error_set(err, ERROR_SPEC, "%s '%s': '%s' %s", inputs_directory(in), name, shown, why);
	free(name);
	free(shown);
	return -1;
}

static int input_errno(const struct input *in, const char *path, struct error *err)
{
	char *why = xasprintf("cannot be read: %s", strerror(errno));

	input_error(in, path, why, err);
	free(why);
	return -1;
}

/* Look at the file itself: what a link points to now is what will be sent. */
static int look(struct input *in, const char *path, struct error *err)
{
	struct stat st;
	int rc = -1, fd = -1;

	in->source = realpath(path, NULL);
	if (!in->source) {
		input_errno(in, path, err);
		goto out;
	}
	fd = open(in->source, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0) {
		input_errno(in, path, err);
		goto out;
	}
	if (!S_ISREG(st.st_mode)) {
		input_error(in, path, "is not a regular file", err);
		goto out;
	}
	in->size = st.st_size;
	in->mtime_ns = st.st_mtim.tv_sec < 0 ? -1 : fsutil_mtime_ns(&st);
	in->is_program = st.st_mode & S_IXUSR;
	rc = 0;
out:
	if (fd >= 0)
		close(fd);
	return rc;
}

static int record_file(const char *name, const char *path, bool is_model, struct inputs *out, struct error *err)
{
	struct input *in = append(out);

	in->is_model = is_model;
	in->name = xstrdup(name);
	return look(in, path, err);
}

static int record_below(const char *name, const char *dir, const char *below, bool is_model, struct inputs *out,
			struct error *err)
{
	char *full_name = path_join(name, below), *path = path_join(dir, below);
	int rc = record_file(full_name, path, is_model, out, err);

	free(full_name);
	free(path);
	return rc;
}

/* What is wrong with an entry as a whole. */
static int refuse(const char *name, const char *path, bool is_model, const char *why, struct error *err)
{
	const struct input in = { .name = (char *)(uintptr_t)name, .is_model = is_model };

	return input_error(&in, path, why, err);
}

static int too_many(const char *name, const char *path, bool is_model, struct error *err)
{
	char *why = xasprintf("stands for more than %d files; send an archive of them", (int)MAX_BELOW);

	refuse(name, path, is_model, why, err);
	free(why);
	return -1;
}

/* Links to files inside are followed; what source_walk refuses of code is refused here, too. */
static int record_directory(const char *name, const char *dir, bool is_model, struct inputs *out, struct error *err)
{
	const size_t before = out->n;
	struct source src = SOURCE_INIT;
	int rc = source_walk(dir, &src, err);

	for (size_t i = 0; rc == 0 && i < src.n; i++)
		if (!S_ISDIR(src.v[i].mode))
			rc = record_below(name, dir, src.v[i].path, is_model, out, err);
	source_release(&src);
	if (rc == 0 && out->n == before)
		rc = refuse(name, dir, is_model, "holds no files", err);
	return rc == 0 && out->n - before > MAX_BELOW ? too_many(name, dir, is_model, err) : rc;
}

static int list_matches(const char *dir, const char *pattern, struct strvec *names)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	if (!d)
		return -1;
	while ((e = readdir(d)))
		if (fnmatch(pattern, e->d_name, FNM_PERIOD) == 0)
			strvec_push(names, e->d_name);
	closedir(d);
	strvec_sort(names);
	return 0;
}

/* Wildcards in the last part of the path. */
static int record_matches(const char *name, const char *path, bool is_model, struct inputs *out, struct error *err)
{
	struct strvec names = STRVEC_INIT;
	char *dir = path_dirname(path);
	int rc = 0;

	if (list_matches(dir, path_basename(path), &names) != 0 || names.n == 0)
		rc = refuse(name, path, is_model, "matches no file", err);
	if (rc == 0 && names.n > MAX_BELOW)
		rc = too_many(name, path, is_model, err);
	for (size_t i = 0; rc == 0 && i < names.n; i++)
		rc = record_below(name, dir, names.v[i], is_model, out, err);
	strvec_release(&names);
	free(dir);
	return rc;
}

static int record_one(const struct spec_input *from, bool is_model, struct inputs *out, struct error *err)
{
	const char *path = spec_local_path(from->source, err);
	struct stat st;

	if (!path)
		return -1;
	if (stat(path, &st) != 0)
		return strpbrk(path_basename(path), "*?[") ? record_matches(from->name, path, is_model, out, err)
							   : record_file(from->name, path, is_model, out, err);
	if (S_ISDIR(st.st_mode))
		return record_directory(from->name, path, is_model, out, err);
	return record_file(from->name, path, is_model, out, err);
}

static int record(const struct spec_inputs *from, bool is_model, struct inputs *out, struct error *err)
{
	for (size_t i = 0; i < from->n; i++)
		if (record_one(&from->v[i], is_model, out, err) != 0)
			return -1;
	return 0;
}

int inputs_record(const struct spec *spec, struct inputs *out, struct error *err)
{
	struct inputs in = INPUTS_INIT;

	if (record(&spec->data, false, &in, err) != 0 || record(&spec->models, true, &in, err) != 0) {
		inputs_release(&in);
		return -1;
	}
	*out = in;
	return 0;
}

/* --- the file --------------------------------------------------------------- */

void inputs_format(const struct inputs *in, struct strbuf *out)
{
	strbuf_addf(out, "%spack %lld %s\n", header, (long long)in->pack_bytes, in->pack_sha256);
	for (size_t i = 0; i < in->n; i++) {
		const struct input *f = &in->v[i];

		strbuf_addf(out, "%s %lld ", f->is_model ? "model" : "data", (long long)f->size);
		if (f->mtime_ns < 0)
			strbuf_addch(out, '-');
		else
			strbuf_addf(out, "%lld", (long long)f->mtime_ns);
		strbuf_addstr(out, f->is_program ? " 500 " : " 400 ");
		manifest_add_path(out, f->name);
		strbuf_addstr(out, "\nfrom ");
		manifest_add_path(out, f->source);
		strbuf_addch(out, '\n');
	}
}

/* Skip a word at *p. */
static bool skip(const char **p, const char *end, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(end - *p) < n || memcmp(*p, word, n) != 0)
		return false;
	*p += n;
	return true;
}

/* The end of the line that begins at p, NULL when it is cut. */
static const char *line_end(const char *p, const char *end)
{
	return p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
}

static bool read_pack(const char **p, const char *end, struct inputs *in)
{
	const char *nl = line_end(*p, end);

	if (!nl || !skip(p, nl, "pack ") || !manifest_read_number(p, nl, &in->pack_bytes) || !skip(p, nl, " ") ||
	    nl - *p != DIGEST_HEX)
		return false;
	memcpy(in->pack_sha256, *p, DIGEST_HEX);
	in->pack_sha256[DIGEST_HEX] = '\0';
	*p = nl + 1;
	return digest_is_hex(in->pack_sha256, DIGEST_HEX);
}

static bool read_input(const char **p, const char *end, struct input *f)
{
	const char *nl = line_end(*p, end);

	if (!nl)
		return false;
	f->is_model = skip(p, nl, "model ");
	if ((!f->is_model && !skip(p, nl, "data ")) || !manifest_read_number(p, nl, &f->size) || !skip(p, nl, " "))
		return false;
	if (!skip(p, nl, "-") && !manifest_read_number(p, nl, &f->mtime_ns))
		return false;
	f->is_program = skip(p, nl, " 500 ");
	if (!f->is_program && !skip(p, nl, " 400 "))
		return false;
	f->name = manifest_read_path(*p, (size_t)(nl - *p));
	if (!f->name || !path_is_safe_relative(f->name))
		return false;
	*p = nl + 1;
	nl = line_end(*p, end);
	if (!nl || !skip(p, nl, "from "))
		return false;
	f->source = manifest_read_path(*p, (size_t)(nl - *p));
	if (!f->source || f->source[0] != '/')
		return false;
	*p = nl + 1;
	return true;
}

int inputs_parse(const char *text, size_t len, struct inputs *out, struct error *err)
{
	struct inputs in = INPUTS_INIT;
	const char *p = text, *end = text + len;
	bool good = skip(&p, end, header) && read_pack(&p, end, &in);

	while (good && p < end)
		good = read_input(&p, end, append(&in));
	if (!good) {
		inputs_release(&in);
		return error_set(err, ERROR_STORE, "not a list of inputs that this version reads");
	}
	*out = in;
	return 0;
}
