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
#include <time.h>
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

static char *dir, *code, *spool, *root, *old_path;
static struct cluster cluster;
static struct spec spec;
static struct site *site;
static struct error err;
static struct stage_job job;

/* What is remembered of local files. */
static struct stage_file known[16];
static size_t n_known;

static bool recall(void *arg, struct stage_file *f)
{
	(void)arg;
	for (size_t i = 0; i < n_known; i++) {
		struct stage_file like = known[i];

		if (like.dev != f->dev || like.ino != f->ino || like.size != f->size || like.mtime_ns != f->mtime_ns ||
		    like.ctime_ns != f->ctime_ns)
			continue;
		*f = like;
		return true;
	}
	return false;
}

static void keep(void *arg, const struct stage_file *files, size_t n)
{
	(void)arg;
	assert_in_range(n_known + n, 0, sizeof known / sizeof *known);
	memcpy(known + n_known, files, n * sizeof *files);
	n_known += n;
}

static const struct stage_memory memory = { recall, keep, NULL };

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
	old_path = xstrdup(getenv("PATH"));
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
	n_known = 0;
	job = (struct stage_job){ .job_id = "job-1", .spool = spool, .spec = &spec, .run_sh = RUN_SH, .job_json = JOB_JSON,
				  .memory = &memory };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	site_close(site);
	setenv("PATH", old_path, 1);
	free(old_path);
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

/* Until a write to it would be seen by its times. */
static void let_it_age(const char *name)
{
	struct timespec now;
	struct stat st;

	do {
		usleep(10000);
		assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
		assert_int_equal(lstat(tree_path(dir, name), &st), 0);
	} while ((now.tv_sec - st.st_ctim.tv_sec) * 1000 + (now.tv_nsec - st.st_ctim.tv_nsec) / 1000000 < 200);
}

/* Several with the same spool at once; what they sent together. */
static int64_t stage_many(struct stage_job *jobs, size_t n)
{
	int64_t bytes = 0;

	if (stage_jobs(site, jobs, n, &err) != 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < n; i++) {
		if (!jobs[i].done)
			fail_msg("%s: %s", jobs[i].job_id, jobs[i].error.text);
		bytes += jobs[i].bytes;
	}
	return bytes;
}

/* From now on a program of the far side runs `after` behind the real one, the first time it is called. */
static void once_after(const char *tool, const char *after)
{
	char *script = xasprintf("#!/bin/sh\nPATH='%s'\n%s \"$@\"\nrc=$?\nmkdir \"$HOME/once\" 2>/dev/null || exit $rc\n%s\nexit $rc\n",
				 old_path, tool, after);
	char *path = xasprintf("%s/bin:%s", dir, old_path);

	tree_file(dir, tree_path("bin", tool), script, strlen(script), 0755);
	setenv("PATH", path, 1);
	free(script);
	free(path);
}

static bool happened(void)
{
	struct stat st;

	return lstat(tree_path(dir, "once"), &st) == 0;
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

/* --- what is not sent ----------------------------------------------------------- */

static void code_that_is_there_is_not_sent(void **state)
{
	int64_t first;

	(void)state;
	stage_as("job-1");
	first = job.bytes;
	stage_as("job-2");
	assert_true(job.bytes < first - look(entry("spool/code.tar", "")).st_size + 100);
	assert_job_is_whole("job-2");
}

static void jobs_of_one_batch_send_what_they_share_once(void **state)
{
	struct stage_job jobs[MAX_JOBS];
	char ids[MAX_JOBS][16];
	struct stat set;

	(void)state;
	for (int i = 0; i < MAX_JOBS; i++) {
		snprintf(ids[i], sizeof ids[i], "job-%d", i);
		jobs[i] = job;
		jobs[i].job_id = ids[i];
	}
	assert_in_range(stage_many(jobs, MAX_JOBS), BIG, BIG + 100000);
	set = look(entry("set", ""));
	assert_int_equal(set.st_nlink, 1 + MAX_JOBS);
	for (int i = 0; i < MAX_JOBS; i++) {
		assert_job_is_whole(ids[i]);
		assert_int_equal(look(in_job(ids[i], "data/new\nline/set")).st_ino, set.st_ino);
	}
	assert_cache_is_true();
}

static void data_that_is_known_and_there_is_not_sent(void **state)
{
	(void)state;
	let_it_age("tool");
	stage_as("job-1");
	assert_in_range(job.bytes, BIG, BIG + 100000);
	assert_int_equal(n_known, 2);
	stage_as("job-2");
	assert_in_range(job.bytes, 1, 10000);
	assert_int_equal(look(entry("set", "")).st_nlink, 3);
	assert_int_equal(look(entry("tool", ".x")).st_nlink, 3);
	assert_job_is_whole("job-2");
	assert_int_equal(tree_sh("cmp \"$1\" \"$2\"", in_job("job-1", ".kedge/manifest"), in_job("job-2", ".kedge/manifest")), 0);
}

static void applets_of_busybox_keep_a_cache(void **state)
{
	(void)state;
	if (tree_sh("command -v busybox >/dev/null", NULL, NULL) != 0)
		skip();
	let_it_age("tool");
	tree_dir(dir, "bin");
	assert_int_equal(tree_sh("for t in sh printf cat tar mv rm mkdir find chmod tail df id wc awk xargs sha256sum ls ln cp touch; do\n"
				 "	ln -s \"$(command -v busybox)\" \"$1/bin/$t\" || exit 1\n"
				 "done", dir, NULL), 0);
	setenv("PATH", tree_path(dir, "bin"), 1);
	stage_as("job-1");
	stage_as("job-2");
	setenv("PATH", old_path, 1);
	assert_in_range(job.bytes, 1, 10000);
	assert_int_equal(look(entry("set", "")).st_nlink, 3);
	assert_int_equal(look(entry("set", "")).st_mtime, 946684800);
	assert_job_is_whole("job-2");
	assert_cache_is_true();
}

static void known_file_that_is_not_there_is_sent(void **state)
{
	(void)state;
	let_it_age("tool");
	stage_as("job-1");
	assert_int_equal(unlink(entry("set", "")), 0);
	stage_as("job-2");
	assert_in_range(job.bytes, BIG, BIG + 10000);
	assert_job_is_whole("job-2");
	stage_as("job-3");
	assert_in_range(job.bytes, 1, 10000);
	assert_cache_is_true();
}

static void data_that_a_job_wrote_to_is_sent_again(void **state)
{
	(void)state;
	let_it_age("tool");
	stage_as("job-1");
	assert_int_equal(tree_sh("chmod u+w \"$1\" && printf x | dd of=\"$1\" bs=1 seek=7 conv=notrunc 2>/dev/null && chmod u-w \"$1\"",
				 in_job("job-1", "data/new\nline/set"), NULL), 0);
	stage_as("job-2");
	assert_in_range(job.bytes, BIG, BIG + 10000);
	assert_job_is_whole("job-2");
	assert_cache_is_true();
}

static void file_just_written_is_not_remembered(void **state)
{
	struct stat st;
	char *path = xstrdup(tree_path(dir, "set"));

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	let_it_age("tool");
	assert_int_equal(chmod(path, 0600), 0); /* its ctime is now */
	stage_as("job-1");
	assert_in_range(n_known, 1, 2); /* a slow machine lets it age */
	if (n_known == 1)
		assert_int_not_equal(known[0].ino, st.st_ino);
	free(path);
}

/* A hash that is wrong for some reason: what was sent is what counts. */
static void known_hash_that_is_wrong_does_no_harm(void **state)
{
	(void)state;
	let_it_age("tool");
	stage_as("job-1");
	for (size_t i = 0; i < n_known; i++)
		known[i].sha256[0] ^= 1;
	stage_as("job-2");
	assert_job_is_whole("job-2");
	assert_cache_is_true();
}

static void directory_arrives_and_is_not_sent_again(void **state)
{
	(void)state;
	noise_file("many/a/big", BIG, 5);
	noise_file("many/a b\nc/big", BIG, 6);
	tree_file(dir, "many/run", "#!/bin/sh\n", 10, 0755);
	tree_text(dir, "many/empty", "");
	add_input(&spec.data, "all", "many/");
	add_input(&spec.models, "some", "many/a/b*");
	let_it_age("many/empty");
	if (stage_snapshot(&spec, spool, NULL, &err) != 0)
		fail_msg("%s", err.text);
	for (int i = 1; i <= 2; i++) {
		const char *id = i == 1 ? "job-1" : "job-2";

		stage_as(id);
		assert_int_equal(tree_sh("diff -r \"$1\" \"$2\"", in_job(id, "data/all"), tree_path(dir, "many")), 0);
		assert_int_equal(tree_sh("cmp \"$1\" \"$2\"", in_job(id, "models/some/big"), tree_path(dir, "many/a/big")), 0);
		assert_int_equal(look(in_job(id, "data/all/run")).st_mode, S_IFREG | 0500);
		assert_job_is_whole(id);
	}
	assert_in_range(job.bytes, 1, 10000);
	assert_cache_is_true();
}

/* The first of them comes to nothing after it was sent; what it sent is not in the cache. */
static void job_that_relied_on_another_is_sent_as_a_whole(void **state)
{
	struct stage_job jobs[3] = { job, job, job };

	(void)state;
	jobs[1].job_id = "job-2";
	jobs[2].job_id = "job-3";
	once_after("tar", "for f in ../data/*/set; do printf x >> \"$f\"; done");
	if (stage_jobs(site, jobs, 3, &err) != 0)
		fail_msg("%s", err.text);
	assert_true(happened());
	assert_false(jobs[0].done);
	assert_int_equal(jobs[0].error.kind, ERROR_CHECKSUM);
	assert_true(jobs[1].done && jobs[2].done);
	assert_job_is_whole("job-2");
	assert_job_is_whole("job-3");
	assert_cache_is_true();
}

/* What is in the way of job-2: a script with the pack in the cache as $1, run before it is staged. */
static void assert_pack_is_sent_again(const char *script)
{
	int64_t first;

	job.memory = NULL; /* so that it is about the pack only */
	stage_as("job-1");
	first = job.bytes;
	assert_int_equal(tree_sh(script, entry("spool/code.tar", ""), NULL), 0);
	stage_as("job-2");
	assert_true(job.bytes >= first);
	assert_job_is_whole("job-2");
	assert_cache_is_true();
	look(entry("spool/code.tar", ""));
}

static void altered_file_is_sent_again(void **state)
{
	(void)state;
	assert_pack_is_sent_again("chmod u+w \"$1\" && printf x | dd of=\"$1\" bs=1 seek=700 conv=notrunc 2>/dev/null && chmod u-w \"$1\"");
}

static void truncated_file_is_sent_again(void **state)
{
	(void)state;
	assert_pack_is_sent_again("t=$(stat -c %y \"$1\") && : > \"$1\" && touch -d \"$t\" \"$1\"");
}

static void removed_file_is_sent_again(void **state)
{
	(void)state;
	assert_pack_is_sent_again("rm -f \"$1\"");
}

static void removed_cache_is_made_again(void **state)
{
	(void)state;
	assert_pack_is_sent_again("rm -rf \"${1%/*/*/*}\"");
}

/* Not even its time tells: it is hashed before it is unpacked. */
static void pack_that_was_altered_unnoticed_is_sent_again(void **state)
{
	(void)state;
	assert_pack_is_sent_again("t=$(stat -c %y \"$1\") && printf x | dd of=\"$1\" bs=1 seek=700 conv=notrunc 2>/dev/null && touch -d \"$t\" \"$1\"");
}

static void file_that_vanishes_after_the_question_is_sent_again(void **state)
{
	int64_t first;

	(void)state;
	job.memory = NULL;
	stage_as("job-1");
	first = job.bytes;
	once_after("ls", "rm -rf \"$HOME\"/it*/.kedge/cache");
	stage_as("job-2");
	assert_true(happened());
	assert_true(job.bytes > first);
	assert_job_is_whole("job-2");
	assert_cache_is_true();
}

static void file_altered_after_the_question_is_sent_again(void **state)
{
	(void)state;
	stage_as("job-1");
	once_after("ls", "find \"$HOME\"/it*/.kedge/cache -type f -exec sh -c 'for f do echo >> \"$f\"; done' sh {} +");
	stage_as("job-2");
	assert_true(happened());
	assert_job_is_whole("job-2");
	assert_cache_is_true();
}

/* No hard link more, or none at all, is a copy. */
static void where_no_link_can_be_made_it_is_copied(void **state)
{
	(void)state;
	stage_as("job-1");
	tree_file(dir, "bin/ln", "#!/bin/sh\nexit 1\n", 17, 0755);
	once_after("ls", ":");
	stage_as("job-2");
	assert_job_is_whole("job-2");
	assert_cache_is_true();
}

static void altered_copy_is_noticed(void **state)
{
	(void)state;
	stage_as("job-1");
	tree_file(dir, "bin/ln", "#!/bin/sh\nexit 1\n", 17, 0755);
	once_after("cp", "chmod u+w \"$2\"; echo >> \"$2\"");
	stage_as("job-2");
	assert_true(happened());
	assert_job_is_whole("job-2");
}

/* --- going on with what has arrived ------------------------------------------------ */

enum { LARGE = 3000000 };

/* The job's data becomes a large file. */
static void submit_large(void)
{
	noise_file("set", LARGE, 7);
	if (stage_snapshot(&spec, spool, NULL, &err) != 0)
		fail_msg("%s", err.text);
}

/* What is in incoming/ of a try before: the first n bytes of the data, and other files. */
static void leave_behind(const char *id, size_t n)
{
	char *below = xasprintf(".kedge/incoming/%s/", id), *name = xasprintf("%stree/data/new\nline/set", below);
	size_t len;
	char *data = tree_read(tree_path(dir, "set"), &len);

	assert_in_range(n, 1, len);
	tree_file(root, name, data, n, 0600);
	free(data);
	free(name);
	name = xasprintf("%spack", below);
	tree_file(root, name, "half", 4, 0600);
	free(name);
	name = xasprintf("%stree/run.sh", below);
	tree_file(root, name, "old", 3, 0600);
	free(name);
	name = xasprintf("%snames", below);
	tree_file(root, name, "old and longer than the new one, surely, and so on", 50, 0600);
	free(name);
	free(below);
}

static void assert_nothing_is_left(void)
{
	assert_int_equal(tree_sh("test -z \"$(ls -A \"$1/.kedge/incoming\")\"", root, NULL), 0);
}

static void what_has_arrived_is_not_sent_again(void **state)
{
	static const size_t sizes[] = { 65536, 2222222, LARGE - 1, LARGE };

	(void)state;
	submit_large();
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		leave_behind("job-1", sizes[i]);
		stage_as("job-1");
		assert_in_range(job.bytes, LARGE - sizes[i], LARGE - sizes[i] + 20000);
		assert_job_is_whole("job-1");
		assert_cache_is_true();
		assert_nothing_is_left();
		assert_int_equal(tree_sh("rm -rf \"$1\" \"$2\"", tree_path(root, "job-1"), tree_path(root, ".kedge/cache")), 0);
		n_known = 0;
	}
}

static void little_that_has_arrived_is_sent_again(void **state)
{
	(void)state;
	submit_large();
	leave_behind("job-1", 50000);
	stage_as("job-1");
	assert_true(job.bytes > LARGE);
	assert_job_is_whole("job-1");
	assert_nothing_is_left();
}

static void what_has_arrived_altered_is_sent_again(void **state)
{
	(void)state;
	submit_large();
	leave_behind("job-1", 2000000);
	assert_int_equal(tree_sh("printf x | dd of=\"$(find \"$1/.kedge/incoming\" -name set)\" bs=1 seek=12345 conv=notrunc 2>/dev/null", root, NULL), 0);
	stage_as("job-1");
	assert_true(job.bytes > LARGE);
	assert_job_is_whole("job-1");
	assert_cache_is_true();
	assert_nothing_is_left();
}

static void more_than_all_of_it_is_sent_again(void **state)
{
	(void)state;
	submit_large();
	leave_behind("job-1", LARGE);
	assert_int_equal(tree_sh("echo >> \"$(find \"$1/.kedge/incoming\" -name set)\"", root, NULL), 0);
	stage_as("job-1");
	assert_true(job.bytes > LARGE);
	assert_job_is_whole("job-1");
	assert_nothing_is_left();
}

/* Somebody's stage.sh may be at it. */
static void claimed_upload_is_not_gone_on_with(void **state)
{
	(void)state;
	submit_large();
	leave_behind("job-1", LARGE);
	tree_dir(root, ".kedge/incoming/job-1/tree/code");
	stage_as("job-1");
	assert_true(job.bytes > LARGE);
	assert_job_is_whole("job-1");
	assert_nothing_is_left();
}

static void each_job_of_a_batch_goes_on_with_its_own(void **state)
{
	struct stage_job jobs[3] = { job, job, job };
	int64_t bytes;

	(void)state;
	submit_large();
	jobs[1].job_id = "job-2";
	jobs[2].job_id = "job-3";
	leave_behind("job-2", LARGE - 10);
	leave_behind("job-3", 7);
	bytes = stage_many(jobs, 3);
	assert_in_range(bytes, 1, LARGE + 40000); /* the first sends it, in one try or two, and the others have it from there */
	for (int i = 0; i < 3; i++)
		assert_job_is_whole(jobs[i].job_id);
	assert_cache_is_true();
	assert_nothing_is_left();
}

static void file_that_changed_before_it_is_gone_on_with_is_told(void **state)
{
	(void)state;
	submit_large();
	leave_behind("job-1", 2000000);
	noise_file("set", LARGE + 1, 8);
	job.job_id = "job-1";
	if (stage_jobs(site, &job, 1, &err) != 0)
		fail_msg("%s", err.text);
	assert_false(job.done);
	assert_int_equal(job.error.kind, ERROR_SPEC);
	assert_nothing_is_left();
}

/* A wire that breaks again and again: everything goes over it about once. */
static void cut_again_and_again_it_arrives(void **state)
{
	char *script = xasprintf("#!/bin/sh\ndd bs=64 count=20000 2>/dev/null | %s\n", KEDGE_SFTP_SERVER);
	int tries = 1;

	(void)state;
	submit_large();
	cluster.timeout_ms = 20000;
	tree_file(dir, "cut", script, strlen(script), 0755);
	free(script);
	setenv("KEDGE_SFTP_SERVER", tree_path(dir, "cut"), 1);
	job.job_id = "job-1";
	while (stage_jobs(site, &job, 1, &err) != 0 && tries < 20) {
		tries++;
		site_close(site);
		site = site_open(&cluster, &err);
		if (!site)
			fail_msg("%s", err.text);
	}
	unsetenv("KEDGE_SFTP_SERVER");
	if (!job.done)
		fail_msg("%s", job.error.text);
	assert_in_range(tries, 3, 6); /* of 1.2 MB each, or a little less */
	assert_job_is_whole("job-1");
	assert_cache_is_true();
	assert_nothing_is_left();
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_verified_is_in_the_cache),
		TEST(name_that_is_taken_stays),
		TEST(cache_that_cannot_be_written_is_no_trouble),
		TEST(code_that_is_there_is_not_sent),
		TEST(jobs_of_one_batch_send_what_they_share_once),
		TEST(data_that_is_known_and_there_is_not_sent),
		TEST(applets_of_busybox_keep_a_cache),
		TEST(known_file_that_is_not_there_is_sent),
		TEST(data_that_a_job_wrote_to_is_sent_again),
		TEST(file_just_written_is_not_remembered),
		TEST(known_hash_that_is_wrong_does_no_harm),
		TEST(directory_arrives_and_is_not_sent_again),
		TEST(job_that_relied_on_another_is_sent_as_a_whole),
		TEST(altered_file_is_sent_again),
		TEST(truncated_file_is_sent_again),
		TEST(removed_file_is_sent_again),
		TEST(what_has_arrived_is_not_sent_again),
		TEST(little_that_has_arrived_is_sent_again),
		TEST(what_has_arrived_altered_is_sent_again),
		TEST(more_than_all_of_it_is_sent_again),
		TEST(claimed_upload_is_not_gone_on_with),
		TEST(each_job_of_a_batch_goes_on_with_its_own),
		TEST(file_that_changed_before_it_is_gone_on_with_is_told),
		TEST(cut_again_and_again_it_arrives),
		TEST(removed_cache_is_made_again),
		TEST(pack_that_was_altered_unnoticed_is_sent_again),
		TEST(file_that_vanishes_after_the_question_is_sent_again),
		TEST(file_altered_after_the_question_is_sent_again),
		TEST(where_no_link_can_be_made_it_is_copied),
		TEST(altered_copy_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
