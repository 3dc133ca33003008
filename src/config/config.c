#include "config/config.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/keys.h"
#include "config/problems.h"
#include "config/reader.h"
#include "config/text.h"
#include "config/value.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/log.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/strvec.h"
#include "util/xalloc.h"

/* A value as it was written; value is NULL when nobody wrote one. */
struct setting {
	char *value;
	char *origin;
	char *base; /* absolute directory for its relative paths */
};

struct section {
	char *name;         /* of the cluster; NULL: defaults */
	struct setting *v;  /* one per row of keys[], at the row's index */
};

struct config {
	struct section defaults;
	struct section *clusters;
	size_t n, cap;
	const char **names; /* n of them, then NULL */
};

static void section_init(struct section *s, const char *name)
{
	s->name = xstrdup_null(name);
	s->v = xcalloc(keys_count(), sizeof *s->v);
}

static void section_release(struct section *s)
{
	for (size_t i = 0; s->v && i < keys_count(); i++) {
		free(s->v[i].value);
		free(s->v[i].origin);
		free(s->v[i].base);
	}
	free(s->v);
	free(s->name);
}

static struct section *find_cluster(const struct config *cfg, const char *name)
{
	for (size_t i = 0; i < cfg->n; i++)
		if (strcmp(cfg->clusters[i].name, name) == 0)
			return &cfg->clusters[i];
	return NULL;
}

static struct section *need_cluster(struct config *cfg, const char *name)
{
	struct section *s = find_cluster(cfg, name);

	if (!s) {
		XGROW(cfg->clusters, cfg->cap, cfg->n + 1);
		s = &cfg->clusters[cfg->n++];
		section_init(s, name);
		cfg->names = xreallocarray(cfg->names, cfg->n + 1, sizeof *cfg->names);
		cfg->names[cfg->n - 1] = s->name;
		cfg->names[cfg->n] = NULL;
	}
	return s;
}

/* Takes origin. */
static void set(struct section *s, const struct key *key, const char *value, const char *base, char *origin)
{
	struct setting *to = &s->v[key - keys];

	free(to->value);
	free(to->base);
	free(to->origin);
	to->value = xstrdup(value);
	to->base = xstrdup(base);
	to->origin = origin;
}

/* Files */

struct file {
	struct config *cfg;
	const char *name;
	char *base;
	struct section *section; /* where we are; NULL: in one that was refused */
};

static int enter_section(struct file *f, const char *name, struct error *err)
{
	static const struct key cluster_name = { "cluster", "cluster", KEY_NAME, NULL, 0, 64 };
	static const char *const known[] = { "defaults", "cluster", NULL };
	const char *blank = strchr(name, ' ');
	struct text_quoted q, near;

	f->section = NULL;
	if (strcmp(name, "defaults") == 0) {
		f->section = &f->cfg->defaults;
		return 0;
	}
	if (strcmp(name, "cluster") == 0)
		return error_set(err, ERROR_CONFIG, "[cluster] without a name; write [cluster NAME]");
	if (strncmp(name, "cluster ", 8) == 0) {
		if (keys_check(&cluster_name, blank + 1, NULL, err))
			return -1;
		f->section = need_cluster(f->cfg, blank + 1);
		return 0;
	}
	return error_set(err, ERROR_CONFIG, "unknown section [%s]%s", text_quote(&q, name),
			 text_near(&near, name, known));
}

static int read_item(void *arg, const struct reader_item *item, struct error *err)
{
	struct file *f = arg;
	const struct key *key;
	struct strbuf where = STRBUF_INIT;
	int rc;

	if (!item->name)
		return enter_section(f, item->section, err);
	if (!f->section)
		return 0;
	strbuf_addf(&where, "[%s]", item->section);
	key = keys_need(f->section->name ? "cluster" : "defaults", item->name, where.buf, err);
	strbuf_release(&where);
	if (!key)
		return -1;
	rc = reader_judge(item, key, keys_check(key, item->value, NULL, err), err);
	if (rc == 0)
		set(f->section, key, item->value, f->base, xasprintf("%s:%d", f->name, item->line));
	return rc;
}

enum place {
	PLACE_GIVEN,   /* --config FILE: must be there */
	PLACE_USUAL,   /* may be missing */
	PLACE_WORKDIR, /* may be missing, and may be somebody else's trap: a directory in /tmp will do */
};

/* A file that others can write says what they like: which host we trust, what run.sh executes. */
static int check_trust(int fd, const char *path, enum place place, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return error_errno(err, ERROR_CONFIG, errno, "%s", path);
	if (place != PLACE_GIVEN && !S_ISREG(st.st_mode))
		return error_set(err, ERROR_CONFIG, "%s: not a regular file", path);
	if (!S_ISREG(st.st_mode))
		return 0;
	if (st.st_mode & S_IWOTH) {
		if (place == PLACE_WORKDIR)
			return error_set(err, ERROR_CONFIG, "%s: everybody can write it; to use it: chmod o-w %s", path,
					 path);
		log_warn("%s: everybody can write it; chmod o-w %s", path, path);
	}
	if (st.st_uid != geteuid() && st.st_uid != 0) {
		if (place == PLACE_WORKDIR)
			return error_set(err, ERROR_CONFIG, "%s: it belongs to user id %jd, neither you nor root; to use "
					 "it: kedge --config %s", path, (intmax_t)st.st_uid, path);
		log_warn("%s: it belongs to user id %jd, neither you nor root", path, (intmax_t)st.st_uid);
	}
	return 0;
}

static void read_file(struct config *cfg, const char *path, enum place place, struct problems *problems)
{
	/* without O_NONBLOCK a fifo in the working directory would hold us up */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (place == PLACE_GIVEN ? 0 : O_NONBLOCK));
	struct file f = { .cfg = cfg, .name = path };
	struct error why;

	if (fd < 0) {
		if (place == PLACE_GIVEN || (errno != ENOENT && errno != ENOTDIR))
			problems_add(problems, ERROR_CONFIG, "%s: %s", path, strerror(errno));
		return;
	}
	if (check_trust(fd, path, place, &why)) {
		problems_add(problems, why.kind, "%s", why.text);
	} else {
		f.base = value_base(path);
		reader_fd(fd, path, ERROR_CONFIG, read_item, &f, problems);
		free(f.base);
	}
	close(fd);
}

static void read_files(struct config *cfg, const char *given, struct problems *problems)
{
	struct error why;
	char *dir, *path;

	if (given) {
		read_file(cfg, given, PLACE_GIVEN, problems);
		return;
	}
	read_file(cfg, KEDGE_SYSCONFDIR "/kedge/config.ini", PLACE_USUAL, problems);
	dir = fsutil_config_dir(&why);
	if (dir) {
		path = path_join(dir, "config.ini");
		read_file(cfg, path, PLACE_USUAL, problems);
		free(path);
		free(dir);
	} else {
		problems_add(problems, why.kind, "%s", why.text);
	}
	read_file(cfg, "./kedge.ini", PLACE_WORKDIR, problems);
}

/* Environment and flags */

/* KEDGE_GPU_TYPE for gpu_type. */
static char *variable_name(const struct key *key)
{
	char *name = xasprintf("KEDGE_%s", key->name);

	for (char *s = name; *s; s++)
		*s = (char)toupper((unsigned char)*s);
	return name;
}

static void read_environment(struct config *cfg, const char *cwd, struct problems *problems)
{
	for (const struct key *key = keys; key->section; key++) {
		char *name = variable_name(key);
		const char *value = getenv(name);
		struct error why;

		if (value && *value && keys_find("defaults", key->name) == key) {
			if (keys_check(key, value, NULL, &why))
				problems_add(problems, why.kind, "environment %s: %s", name, why.text);
			else
				set(&cfg->defaults, key, value, cwd, xasprintf("environment %s", name));
		}
		free(name);
	}
}

static int read_flag(struct config *cfg, const char *flag, const char *cwd, struct error *err)
{
	const char *equals = strchr(flag, '=');
	char *name = xstrndup(flag, equals ? (size_t)(equals - flag) : strlen(flag));
	const struct key *key = NULL;
	int rc = -1;

	if (!equals)
		error_set(err, ERROR_USAGE, "no '='; write key=value");
	else if ((key = keys_need("defaults", name, "[defaults]", err)) && keys_check(key, equals + 1, NULL, err) == 0)
		rc = 0;
	if (rc == 0)
		set(&cfg->defaults, key, equals + 1, cwd, xstrdup("flag"));
	free(name);
	return rc;
}

static void read_flags(struct config *cfg, const char *const *flags, const char *cwd, struct problems *problems)
{
	struct text_quoted q;
	struct error why;

	for (; flags && *flags; flags++)
		if (read_flag(cfg, *flags, cwd, &why))
			problems_add(problems, ERROR_USAGE, "option '%s': %s", text_quote(&q, *flags), why.text);
}

struct config *config_load(const struct config_places *places, struct error *err)
{
	struct config *cfg = xcalloc(1, sizeof *cfg);
	struct problems problems = PROBLEMS_INIT;
	char *cwd = value_base("kedge.ini");

	section_init(&cfg->defaults, NULL);
	cfg->names = xcalloc(1, sizeof *cfg->names);
	read_files(cfg, places->file, &problems);
	read_environment(cfg, cwd, &problems);
	read_flags(cfg, places->flags, cwd, &problems);
	free(cwd);
	if (problems_tell(&problems, err)) {
		config_free(cfg);
		return NULL;
	}
	return cfg;
}

void config_free(struct config *cfg)
{
	if (!cfg)
		return;
	section_release(&cfg->defaults);
	for (size_t i = 0; i < cfg->n; i++)
		section_release(&cfg->clusters[i]);
	free(cfg->clusters);
	free(cfg->names);
	free(cfg);
}

/* Answers */

/* What holds for a row in a section: its own setting, that of [defaults], the row's default.  value is NULL when
   there is none. */
static struct setting effective(const struct config *cfg, const struct section *s, const struct key *key)
{
	static char none[] = "/", standard[] = "default";
	struct setting built_in = { (char *)key->value, standard, none };
	const struct setting *own = &s->v[key - keys], *common = &cfg->defaults.v[key - keys];

	if (!own->value && !common->value && !key->value && s->name && strcmp(key->name, "host") == 0)
		built_in.value = s->name; /* as ssh takes a name that no Host line of its configuration explains */
	return own->value ? *own : common->value ? *common : built_in;
}

const char *config_default_cluster(const struct config *cfg)
{
	const char *name = config_get(cfg, "cluster");

	return name ? name : cfg->n == 1 ? cfg->clusters[0].name : NULL;
}

const char *const *config_cluster_names(const struct config *cfg)
{
	return cfg->names;
}

static int no_cluster(const struct config *cfg, const char *name, struct error *err)
{
	struct strbuf known = STRBUF_INIT;
	struct text_quoted q, near;

	for (size_t i = 0; i < cfg->n; i++)
		strbuf_addf(&known, "%s'%s'", i ? ", " : "", cfg->names[i]);
	if (cfg->n)
		error_set(err, ERROR_NOT_FOUND, "no cluster '%s' among %s%s", text_quote(&q, name), known.buf,
			  text_near(&near, name, cfg->names));
	else
		error_set(err, ERROR_NOT_FOUND, "no cluster '%s': none is configured; see kedge.ini(5)",
			  text_quote(&q, name));
	strbuf_release(&known);
	return -1;
}

int config_cluster(const struct config *cfg, const char *name, struct cluster *out, struct error *err)
{
	const struct section *s = find_cluster(cfg, name);
	struct cluster c;

	if (!s)
		return no_cluster(cfg, name, err);
	cluster_init(&c, name);
	for (const struct key *key = keys; key->section; key++) {
		struct setting is = effective(cfg, s, key);

		if (strcmp(key->section, "cluster") != 0 || !is.value)
			continue;
		if (cluster_set(&c, key, is.value, is.base, err)) { /* a path below a HOME that is not set */
			cluster_release(&c);
			return error_wrap(err, "cluster '%s'", name);
		}
	}
	*out = c;
	return 0;
}

static void visit_section(const struct config *cfg, const struct section *s, const char *kind, config_visit_f *visit,
			  void *arg)
{
	char *title = s->name ? xasprintf("cluster %s", s->name) : xstrdup("defaults");

	for (const struct key *key = keys; key->section; key++) {
		struct setting is;

		if (keys_find(kind, key->name) != key)
			continue;
		is = effective(cfg, s, key);
		if (is.value)
			visit(arg, title, key->name, is.value, is.origin);
	}
	free(title);
}

void config_visit(const struct config *cfg, config_visit_f *visit, void *arg)
{
	visit_section(cfg, &cfg->defaults, "defaults", visit, arg);
	for (size_t i = 0; i < cfg->n; i++)
		visit_section(cfg, &cfg->clusters[i], "cluster", visit, arg);
}

const char *config_get(const struct config *cfg, const char *name)
{
	const struct key *key = keys_find("defaults", name);

	return key ? effective(cfg, &cfg->defaults, key).value : NULL;
}
