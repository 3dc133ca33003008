/*
 * What stage.sh keeps in the cluster's cache, and takes out of it: over the local transport, with a real sftp-server and a real /bin/sh.
 */
#include "config.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/cluster.h"
#include "config/spec.h"
#include "stage/inputs.h"
#include "stage/site.h"
#include "stage/stage.h"
#include "stage_tree.h"
#include "util/digest.h"
#include "util/error.h"
#include "util/xalloc.h"

#define RUN_SH "#!/bin/sh\nexit 0\n"
#define JOB_JSON "{\"schema\":1}"

enum { BIG = 300000, MAX_JOBS = 20 };

static char *dir, *code, *spool, *root;
static struct cluster cluster;
static struct spec spec;
static struct site *site;
static struct error err;
static struct stage_job job;

static void noise_file(const char *name, size_t n, uint32_t x)
{
	char *data = xmalloc(n);

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		data[i] = (char)(x >> 24);
	}
	tree_file(dir, name, data, n, 0644);
	free(data);
}

static void add_input(struct spec_inputs *inputs, const char *name, const char *file)
{
	char *source = xasprintf("local:%s", tree_path(dir, file));

	if (spec_add_input(inputs, name, source, "/", &err) != 0)
		fail_msg("%s", err.text);
	free(source);
}

/* A job with code, a data file of BIG bytes and a program among its models, submitted. */
static int setup(void **state)
{
	(void)state;
	dir = tree_new();
	code = xasprintf("%s/code", dir);
	spool = xasprintf("%s/spool", dir);
	root = xasprintf("%s/it's a $(root)", dir);
	tree_dir(dir, "code");
	tree_dir(dir, "spool");
	unsetenv("KEDGE_SFTP_SERVER");
	setenv("HOME", dir, 1);
	cluster = (struct cluster){ .name = xstrdup("here"), .transport = xstrdup("local"), .root = xstrdup(root),
				    .timeout_ms = 60000, .connect_timeout_ms = 10000 };
	spec_init(&spec);
	spec.code = xasprintf("local:%s", code);
	error_clear(&err);
	tree_text(code, "train.py", "x");
	noise_file("set", BIG, 1);
	tree_file(dir, "tool", "#!/bin/sh\n", 10, 0755);
	add_input(&spec.data, "new\nline/set", "set");
	add_input(&spec.models, "it's a tool", "tool");
	if (stage_snapshot(&spec, spool, NULL, &err) != 0)
		fail_msg("%s", err.text);
	site = site_open(&cluster, &err);
	if (!site)
		fail_msg("%s", err.text);
	job = (struct stage_job){ .job_id = "job-1", .spool = spool, .spec = &spec, .run_sh = RUN_SH, .job_json = JOB_JSON };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	site_close(site);
	free(cluster.name);
	free(cluster.transport);
	free(cluster.root);
	spec_release(&spec);
	tree_remove(dir);
	free(code);
	free(spool);
	free(root);
	return 0;
}

static void stage_as(const char *job_id)
{
	job.job_id = job_id;
	if (stage_jobs(site, &job, 1, &err) != 0)
		fail_msg("%s", err.text);
	if (!job.done)
		fail_msg("%s", job.error.text);
}

/* --- looking ----------------------------------------------------------------- */

/* The hash of a file of dir. */
static const char *hash_of(const char *name)
{
	static char hex[DIGEST_HEX + 1];
	size_t len;
	char *data = tree_read(tree_path(dir, name), &len);

	digest_hex(data, len, hex);
	free(data);
	return hex;
}

/* Where the cache has a file of dir; until the next call but seven. */
static const char *entry(const char *name, const char *suffix)
{
	const char *hex = hash_of(name);
	char *below = xasprintf(".kedge/cache/sha256/%.2s/%s%s", hex, hex, suffix);
	const char *path = tree_path(root, below);

	free(below);
	return path;
}

static struct stat look(const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		fail_msg("'%s' is not there", path);
	return st;
}

static const char *in_job(const char *id, const char *name)
{
	return tree_path(tree_path(root, id), name);
}

/* Nothing in the cache but what its name says. */
static void assert_cache_is_true(void)
{
	assert_int_equal(tree_sh("cd \"$1/.kedge/cache/sha256\" && find . -type f | while read -r f; do\n"
				 "	k=${f##*/}; set -- $(sha256sum < \"$f\"); [ \"$1\" = \"${k%.x}\" ] && [ \"$f\" = \"./${k%\"${k#??}\"}/$k\" ] || exit 1\n"
				 "done", root, NULL), 0);
}

static void assert_job_is_whole(const char *id)
{
	struct stat set = look(in_job(id, "data/new\nline/set")), tool = look(in_job(id, "models/it's a tool"));

	assert_int_equal(set.st_mode, S_IFREG | 0400);
	assert_int_equal(tool.st_mode, S_IFREG | 0500);
	assert_int_equal(tree_sh("cmp \"$1\" \"$2\"", in_job(id, "data/new\nline/set"), tree_path(dir, "set")), 0);
	assert_int_equal(tree_sh("cmp \"$1\" \"$2\"", in_job(id, "models/it's a tool"), tree_path(dir, "tool")), 0);
	tree_assert_equal(code, in_job(id, "code"));
}

/* --- what is kept -------------------------------------------------------------- */

static void what_was_verified_is_in_the_cache(void **state)
{
	struct stat pack, set, tool;

	(void)state;
	stage_as("job-1");
	pack = look(entry("spool/code.tar", ""));
	set = look(entry("set", ""));
	tool = look(entry("tool", ".x"));
	assert_int_equal(pack.st_mode, S_IFREG | 0400);
	assert_int_equal(set.st_mode, S_IFREG | 0400);
	assert_int_equal(tool.st_mode, S_IFREG | 0500);
	assert_int_equal(pack.st_mtime, 946684800);
	assert_int_equal(set.st_mtime, 946684800);
	assert_int_equal(set.st_ino, look(in_job("job-1", "data/new\nline/set")).st_ino);
	assert_int_equal(tool.st_ino, look(in_job("job-1", "models/it's a tool")).st_ino);
	assert_int_equal(look(tree_path(root, ".kedge/cache")).st_mode, S_IFDIR | 0700);
	assert_job_is_whole("job-1");
	assert_cache_is_true();
}

static void name_that_is_taken_stays(void **state)
{
	struct stat set;

	(void)state;
	stage_as("job-1");
	set = look(entry("set", ""));
	stage_as("job-2");
	assert_int_equal(look(entry("set", "")).st_ino, set.st_ino);
	assert_job_is_whole("job-2");
}

static void cache_that_cannot_be_written_is_no_trouble(void **state)
{
	(void)state;
	tree_text(root, ".kedge/cache", "in the way");
	stage_as("job-1");
	stage_as("job-2");
	assert_job_is_whole("job-2");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_verified_is_in_the_cache),
		TEST(name_that_is_taken_stays),
		TEST(cache_that_cannot_be_written_is_no_trouble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
