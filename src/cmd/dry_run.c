#include "cmd/dry_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd/output.h"
#include "config/cluster.h"
#include "config/spec.h"
#include "job/submit.h"
#include "stage/source.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/units.h"
#include "util/vis.h"
#include "util/xalloc.h"

struct plan {
	const struct cluster *cluster;
	const struct spec *spec;
	struct strbuf run_sh;
	struct source code;
	const struct source_entry **v; /* files and links, largest first, of one size in byte order */
	size_t n;
	size_t all;                    /* with data and models */
	int64_t bytes;
};

static int by_size(const void *a, const void *b)
{
	const struct source_entry *const *x = a, *const *y = b;

	if ((*x)->size != (*y)->size)
		return (*x)->size < (*y)->size ? 1 : -1;
	return strcmp((*x)->path, (*y)->path);
}

/* It has been looked at a moment ago. */
static int64_t size_of(const struct spec_input *in)
{
	const char *path = spec_local_path(in->source, NULL);
	struct stat st;

	return path && stat(path, &st) == 0 ? st.st_size : 0;
}

static void count(struct plan *p, const struct spec_inputs *inputs)
{
	p->all += inputs->n;
	for (size_t i = 0; i < inputs->n; i++)
		p->bytes += size_of(&inputs->v[i]);
}

static void arrange(struct plan *p)
{
	p->v = xcalloc(p->code.n ? p->code.n : 1, sizeof *p->v);
	for (size_t i = 0; i < p->code.n; i++)
		if (!S_ISDIR(p->code.v[i].mode))
			p->v[p->n++] = &p->code.v[i];
	qsort(p->v, p->n, sizeof *p->v, by_size);
	p->all = p->n;
	p->bytes = p->code.bytes;
	count(p, &p->spec->data);
	count(p, &p->spec->models);
}

/* --- for people ------------------------------------------------------------------ */

/* A name with a line end in it would be no comment any more: it is made visible. */
static void print_line(int64_t bytes, const char *directory, const char *name, const char *from)
{
	char size[UNITS_TEXT], *safe = vis(name), *safe_from = vis(from ? from : "");

	units_size(bytes, size);
	printf("# %10s  %s%s%s%s\n", size, directory, safe, from ? ", from " : "", safe_from);
	free(safe);
	free(safe_from);
}

static void print_inputs(const char *directory, const struct spec_inputs *inputs)
{
	for (size_t i = 0; i < inputs->n; i++)
		print_line(size_of(&inputs->v[i]), directory, inputs->v[i].name, inputs->v[i].source);
}

static void print_text(const struct plan *p)
{
	char size[UNITS_TEXT], *name = vis(p->code.name);

	fputs(p->run_sh.buf, stdout);
	printf("\n# what would be sent to cluster '%s':\n", p->cluster->name);
	units_size(p->code.bytes, size);
	printf("# code: %zu files, %s, from %s\n", p->n, size, name);
	free(name);
	if (p->spec->commit)
		printf("# commit: %s\n", p->spec->commit);
	for (size_t i = 0; i < p->n; i++)
		print_line(p->v[i]->size, "", p->v[i]->path, NULL);
	if (p->all > p->n) {
		printf("# data and models, each if it is not there yet:\n");
		print_inputs("data/", &p->spec->data);
		print_inputs("models/", &p->spec->models);
	}
	units_size(p->bytes, size);
	printf("# in all: %zu files, %s\n", p->all, size);
	if (p->code.n_ignored)
		printf("# what is ignored, and by what:\n");
	for (size_t i = 0; i < p->code.n_ignored; i++) {
		const struct source_ignored *ig = &p->code.ignored[i];
		char *safe = vis(ig->path), *by = vis(ig->by);

		printf("# %s%s  (%s)\n", safe, ig->is_directory ? "/" : "", by);
		free(safe);
		free(by);
	}
}

/* --- for programs ------------------------------------------------------------------- */

static json_t *files_json(const struct plan *p)
{
	json_t *array = json_array();

	for (size_t i = 0; i < p->n; i++) {
		const char *kind = p->v[i]->mode & S_IXUSR ? "program" : "file";

		json_array_append_new(array, json_pack("{s:o, s:s, s:I}", "path", output_text(p->v[i]->path), "kind",
						       p->v[i]->target ? "link" : kind, "bytes", (json_int_t)p->v[i]->size));
	}
	return array;
}

static json_t *ignored_json(const struct plan *p)
{
	json_t *array = json_array();

	for (size_t i = 0; i < p->code.n_ignored; i++) {
		const struct source_ignored *ig = &p->code.ignored[i];

		json_array_append_new(array, json_pack("{s:o, s:b, s:o}", "path", output_text(ig->path), "directory",
						       (int)ig->is_directory, "by", output_text(ig->by)));
	}
	return array;
}

static json_t *inputs_json(const struct spec_inputs *inputs)
{
	json_t *array = json_array();

	for (size_t i = 0; i < inputs->n; i++)
		json_array_append_new(array, json_pack("{s:s, s:s, s:I}", "name", inputs->v[i].name, "source", inputs->v[i].source,
						       "bytes", (json_int_t)size_of(&inputs->v[i])));
	return array;
}

static int print_json(const struct plan *p, struct error *err)
{
	json_t *code = json_pack("{s:s, s:o, s:i, s:I, s:o, s:o}", "source", p->spec->code, "commit", output_text(p->spec->commit),
				 "count", (int)p->n, "bytes", (json_int_t)p->code.bytes, "files", files_json(p), "ignored",
				 ignored_json(p));
	json_t *v = json_pack("{s:s, s:o, s:i, s:I, s:o, s:o, s:o}", "cluster", p->cluster->name, "code", code, "count", (int)p->all,
			      "bytes", (json_int_t)p->bytes, "data", inputs_json(&p->spec->data), "models",
			      inputs_json(&p->spec->models), "run_sh", output_text(p->run_sh.buf));

	return output_json(json_pack("{s:i, s:o}", "schema", 1, "dry_run", v), err);
}

int dry_run_print(const struct cluster *cluster, struct spec *spec, bool json, struct error *err)
{
	struct plan p = { .cluster = cluster, .spec = spec, .run_sh = STRBUF_INIT, .code = SOURCE_INIT };
	int rc = submit_dry_run(cluster, spec, &p.run_sh, &p.code, err);

	if (!rc) {
		arrange(&p);
		if (json)
			rc = print_json(&p, err);
		else
			print_text(&p);
		source_release(&p.code);
		free(p.v);
	}
	strbuf_release(&p.run_sh);
	return rc;
}
