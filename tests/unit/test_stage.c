/*
 * Over the local transport: a real sftp-server, a real /bin/sh, and faults where a real one would have them: in the tools
 * of the far side's PATH, in what is between us and the sftp-server, in the file system below root.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/cluster.h"
#include "config/spec.h"
#include "stage/manifest.h"
#include "stage/site.h"
#include "stage/stage.h"
#include "stage_tree.h"
#include "util/error.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

#define JOB "0192f0aa-0000-7000-8000-000000000001"
#define RUN_SH "#!/bin/sh\nexit 0\n"
#define JOB_JSON "{\"schema\":1}"

enum { MAX_JOBS = 20 };

static char *dir, *code, *spool, *root, *bin, *old_path;
static struct cluster cluster;
static struct spec spec;
static struct site *site;
static struct error err;
static struct stage_job job;

static int setup(void **state)
{
	(void)state;
	dir = tree_new();
	code = xasprintf("%s/my code", dir);
	spool = xasprintf("%s/spool", dir);
	root = xasprintf("%s/it's a $(root)", dir);
	bin = xasprintf("%s/bin", dir);
	tree_dir(dir, "my code");
	tree_dir(dir, "spool");
	tree_dir(dir, "bin");
	old_path = xstrdup(getenv("PATH"));
	unsetenv("KEDGE_SFTP_SERVER");
	setenv("HOME", dir, 1);
	cluster = (struct cluster){ .name = xstrdup("here"), .transport = xstrdup("local"), .root = xstrdup(root),
				    .timeout_ms = 60000, .connect_timeout_ms = 10000 };
	spec_init(&spec);
	spec.code = xasprintf("local:%s", code);
	error_clear(&err);
	job = (struct stage_job){ .job_id = JOB, .spool = spool, .spec = &spec, .run_sh = RUN_SH, .job_json = JOB_JSON };
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	site_close(site);
	site = NULL;
	setenv("PATH", old_path, 1);
	unsetenv("KEDGE_SFTP_SERVER");
	free(cluster.name);
	free(cluster.transport);
	free(cluster.root);
	spec_release(&spec);
	tree_sh("umount \"$1\" 2>/dev/null", root, NULL); /* of a test that failed */
	tree_remove(dir);
	free(code);
	free(spool);
	free(root);
	free(bin);
	free(old_path);
	return 0;
}

/* --- steps ------------------------------------------------------------------ */

static void snapshot(void)
{
	if (stage_snapshot(&spec, spool, NULL, &err) != 0)
		fail_msg("%s", err.text);
}

static void connect_site(void)
{
	site_close(site);
	site = site_open(&cluster, &err);
	if (!site)
		fail_msg("%s", err.text);
}

static void stage(void)
{
	connect_site();
	if (stage_jobs(site, &job, 1, &err) != 0)
		fail_msg("%s", err.text);
}

static void stage_ok(void)
{
	stage();
	if (!job.done)
		fail_msg("%s", job.error.text);
}

static void add_input(struct spec_inputs *inputs, const char *name, const char *file)
{
	char *source = xasprintf("local:%s", tree_path(dir, file));

	if (spec_add_input(inputs, name, source, "/", &err) != 0)
		fail_msg("%s", err.text);
	free(source);
}

static void forget_inputs(struct spec_inputs *inputs)
{
	for (size_t i = 0; i < inputs->n; i++) {
		free(inputs->v[i].name);
		free(inputs->v[i].source);
	}
	inputs->n = 0;
}

static const char *in_root(const char *name)
{
	return tree_path(root, name);
}

static bool exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static unsigned mode_of(const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		fail_msg("'%s' is not there", path);
	return st.st_mode & 07777;
}

static void assert_text(const char *path, const char *want)
{
	char *text = tree_read(path, NULL);

	assert_string_equal(text, want);
	free(text);
}

static void assert_incoming_is_empty(void)
{
	setenv("PATH", old_path, 1);
	assert_int_equal(tree_sh("test -d \"$1\" && test -z \"$(ls -A \"$1\")\"", in_root(".kedge/incoming"), NULL), 0);
}

/* Every word of the manifest on the far side is true. */
static size_t assert_manifest_holds(const char *job_id)
{
	const char *tree = in_root(job_id);
	struct manifest m = MANIFEST_INIT;
	size_t len, n;
	char *text = tree_read(tree_path(tree, ".kedge/manifest"), &len);

	if (manifest_parse(text, len, &m, &err) != 0)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < m.n; i++) {
		const struct manifest_entry *e = &m.v[i];
		const char *path = tree_path(in_root(job_id), e->path);
		char hex[DIGEST_HEX + 1], *data, target[8192];
		struct stat st;

		assert_int_equal(lstat(path, &st), 0);
		assert_int_equal(st.st_mode, S_ISLNK(e->mode) ? (unsigned)S_IFLNK | 0777 : e->mode);
		if (S_ISREG(st.st_mode)) {
			data = tree_read(path, &len);
			digest_hex(data, len, hex);
			free(data);
		} else if (S_ISLNK(st.st_mode)) {
			len = (size_t)readlink(path, target, sizeof target);
			digest_hex(target, len, hex);
		} else {
			digest_hex("", 0, hex);
			len = 0;
		}
		assert_int_equal(len, e->size);
		assert_string_equal(hex, e->sha256);
	}
	n = m.n;
	manifest_release(&m);
	free(text);
	return n;
}

static void assert_failed(enum error_kind kind, const char *text)
{
	if (job.done)
		fail_msg("it was staged");
	if (job.error.kind != kind || !strstr(job.error.text, text))
		fail_msg("%s: %s", error_kind_name(job.error.kind), job.error.text);
	assert_false(exists(in_root(JOB)));
}

/* A program of the far side, before the real one of its name: `script` runs first, and then the real one with
   the same arguments; or `after` when that is done. */
static void fake_tool(const char *name, const char *before, const char *after)
{
	char *script = xasprintf("#!/bin/sh\n%s\nPATH='%s' %s \"$@\"\nrc=$?\n%s\nexit $rc\n", before, old_path, name, after);
	char *path = xasprintf("%s:%s", bin, old_path);

	tree_file(bin, name, script, strlen(script), 0755);
	setenv("PATH", path, 1);
	free(script);
	free(path);
}

/* From now on the far side's PATH has these programs only, words of a list, and a mount of nothing else. */
static void only_tools(const char *tools)
{
	setenv("PATH", old_path, 1);
	assert_int_equal(tree_sh("rm -rf \"$1\"; mkdir \"$1\"\n"
				 "for t in $2; do\n"
				 "	p=$(command -v $t); case $p in /*) ;; *) p=/usr/bin/$t ;; esac\n" /* a builtin */
				 "	[ $t != python3 ] || p=$(python3 -c 'import sys; print(sys.executable)')\n" /* not a shim */
				 "	ln -s \"$p\" \"$1/$t\" || exit 1\n"
				 "done", bin, tools), 0);
	setenv("PATH", bin, 1);
}

static bool mount_root(const char *options)
{
	tree_dir(root, ".");
	return getuid() == 0 && tree_sh("mount -t tmpfs -o \"$2\" none \"$1\" 2>/dev/null", root, options) == 0;
}

static void unmount_root(void)
{
	site_close(site);
	site = NULL;
	assert_int_equal(tree_sh("umount \"$1\"", root, NULL), 0);
}

/* Bytes that no compression and no luck makes small; the same each time. */
static void noise_file(const char *name, size_t n)
{
	char *data = xmalloc(n);
	uint32_t x = 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		data[i] = (char)(x >> 24);
	}
	tree_file(dir, name, data, n, 0644);
	free(data);
}

/* --- the way it should go ---------------------------------------------------- */

static void hostile_names_arrive_identical(void **state)
{
	(void)state;
	tree_hostile(code);
	noise_file("set $1", 300000);
	tree_file(dir, "tool", "#!/bin/sh\n", 10, 0755);
	tree_text(dir, "nothing", "");
	add_input(&spec.data, "train set's.tar", "set $1");
	add_input(&spec.data, "a/b/c", "nothing");
	add_input(&spec.data, "a/b/-d", "set $1");
	add_input(&spec.data, "two\nlines/in \\ dir", "set $1");
	add_input(&spec.models, "bin/$(tool)", "tool");
	snapshot();
	stage_ok();

	tree_assert_equal(code, tree_path(in_root(JOB), "code"));
	assert_true(assert_manifest_holds(JOB) > 50);
}

static void tree_has_what_the_specification_says(void **state)
{
	static const char *const dirs[] = { "", "code", "data", "models", "outputs", "logs", ".kedge", "data/a" };

	(void)state;
	tree_text(code, "train.py", "x");
	tree_text(dir, "set", "12345");
	tree_file(dir, "tool", "#!", 2, 0755);
	add_input(&spec.data, "a/set", "set");
	add_input(&spec.models, "tool", "tool");
	snapshot();
	stage_ok();

	for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++)
		assert_int_equal(mode_of(tree_path(in_root(JOB), dirs[i])), 0700);
	assert_text(tree_path(in_root(JOB), "run.sh"), RUN_SH);
	assert_int_equal(mode_of(tree_path(in_root(JOB), "run.sh")), 0700);
	assert_text(tree_path(in_root(JOB), ".kedge/job.json"), JOB_JSON);
	assert_int_equal(mode_of(tree_path(in_root(JOB), ".kedge/job.json")), 0600);
	assert_int_equal(mode_of(tree_path(in_root(JOB), "data/a/set")), 0400);
	assert_int_equal(mode_of(tree_path(in_root(JOB), "models/tool")), 0500);
	assert_int_equal(assert_manifest_holds(JOB), 5);
	assert_int_equal(tree_sh("test \"$(ls -A \"$1\")\" = '.kedge\ncode\ndata\nlogs\nmodels\noutputs\nrun.sh'", in_root(JOB), NULL), 0);
	assert_int_equal(tree_sh("test \"$(ls -A \"$1\")\" = 'job.json\nmanifest'", tree_path(in_root(JOB), ".kedge"), NULL), 0);
	assert_incoming_is_empty();
	assert_int_equal(mode_of(root), 0700);
	assert_int_equal(mode_of(in_root(".kedge")), 0700);
	assert_int_equal(job.files, 5);
	assert_true(job.bytes > 1000);
	assert_true(job.took_ms >= 0);
	assert_int_equal(job.error.kind, ERROR_NONE);
}

static void empty_code_directory_is_staged(void **state)
{
	(void)state;
	snapshot();
	stage_ok();
	tree_assert_equal(code, tree_path(in_root(JOB), "code"));
	assert_int_equal(assert_manifest_holds(JOB), 2);
}

static void root_below_home_is_made_with_its_parents(void **state)
{
	(void)state;
	free(cluster.root);
	cluster.root = xstrdup("~/a/b c/root");
	free(root);
	root = xasprintf("%s/a/b c/root", dir);
	tree_text(code, "x", "1");
	snapshot();
	stage_ok();
	assert_text(tree_path(in_root(JOB), "code/x"), "1");
	assert_int_equal(mode_of(tree_path(dir, "a")), 0700);
	assert_int_equal(mode_of(tree_path(dir, "a/b c")), 0700);
}

static void root_may_be_a_link(void **state)
{
	(void)state;
	tree_dir(dir, "elsewhere");
	assert_int_equal(symlink("elsewhere", root), 0);
	snapshot();
	stage_ok();
	assert_true(exists(tree_path(dir, "elsewhere/" JOB "/run.sh")));
}

static void tree_that_is_there_is_done_without_sending(void **state)
{
	(void)state;
	tree_dir(root, JOB);
	stage_ok(); /* not even a snapshot is needed */
	assert_int_equal(job.bytes, 0);
	assert_false(exists(in_root(".kedge")));
	assert_false(exists(tree_path(in_root(JOB), "run.sh")));
}

static void something_else_under_the_name_is_told(void **state)
{
	(void)state;
	tree_text(root, JOB, "a file");
	snapshot();
	stage();
	assert_false(job.done);
	assert_int_equal(job.error.kind, ERROR_EXISTS);
	assert_non_null(strstr(job.error.text, "is there and is not a directory"));
}

static void leftover_of_a_killed_try_is_replaced(void **state)
{
	(void)state;
	tree_text(code, "x", "new");
	snapshot();
	tree_text(root, ".kedge/incoming/" JOB "/pack", "old");
	tree_text(root, ".kedge/incoming/" JOB "/tree/code/stale", "old");
	tree_file(root, ".kedge/incoming/" JOB "/tree/data/stale", "old", 3, 0400);
	stage_ok();
	tree_assert_equal(code, tree_path(in_root(JOB), "code"));
	assert_false(exists(tree_path(in_root(JOB), "data/stale")));
	assert_incoming_is_empty();
}

static void leftover_that_had_been_unpacked_is_replaced(void **state)
{
	(void)state;
	tree_text(code, "x", "new");
	snapshot();
	tree_text(root, ".kedge/incoming/" JOB "/tree/code/stale", "old");
	tree_text(root, ".kedge/incoming/" JOB "/tree/run.sh", "old");
	stage_ok();
	tree_assert_equal(code, tree_path(in_root(JOB), "code"));
	assert_text(tree_path(in_root(JOB), "run.sh"), RUN_SH);
	assert_incoming_is_empty();
}

/* So that a stage.sh that is still at work cannot show what is being removed. */
static void removing_begins_with_the_name_of_the_tree(void **state)
{
	(void)state;
	tree_text(code, "x", "new");
	snapshot();
	tree_text(root, ".kedge/incoming/" JOB "/pack", "old");
	tree_text(root, ".kedge/incoming/" JOB "/tree/code/stale", "old");
	fake_tool("rm", "echo \"$@\" >> \"$HOME/calls\"; for d do case $d/ in */tree/*) : > \"$HOME/seen\" ;; esac; [ ! -d \"$d/tree\" ] || : > \"$HOME/seen\"; done", "");
	stage_ok();
	assert_int_equal(tree_sh("grep -q incoming/" JOB " \"$1\"", tree_path(dir, "calls"), NULL), 0);
	assert_false(exists(tree_path(dir, "seen")));
}

static void leftover_of_directories_only_is_used(void **state)
{
	(void)state;
	tree_text(code, "x", "new");
	snapshot();
	tree_dir(root, ".kedge/incoming/" JOB "/tree/outputs");
	stage_ok();
	assert_incoming_is_empty();
}

/* --- tools ------------------------------------------------------------------- */

#define BASE_TOOLS "sh printf tar mv rm mkdir find chmod tail df id wc"

/* Names with newlines and more, hashed by this tool alone. */
static void assert_verified_with(const char *tools, const char *method)
{
	static const char *const alterations[] = { "train.py", "two\nlines", "ends\\" };

	tree_hostile(code);
	tree_text(dir, "set", "12345");
	add_input(&spec.data, "new\nline", "set");
	snapshot();
	only_tools(tools);
	stage_ok();
	assert_string_equal(job.verified_by, method);
	setenv("PATH", old_path, 1);
	tree_assert_equal(code, tree_path(in_root(JOB), "code"));
	assert_manifest_holds(JOB);
	assert_incoming_is_empty();

	/* and it is not satisfied with anything */
	for (size_t i = 0; i < sizeof alterations / sizeof *alterations; i++) {
		char *fake = xasprintf("#!/bin/sh\nPATH='%s'\ntar \"$@\" || exit\nprintf x >> '%s'\n", old_path,
				       alterations[i]);

		assert_int_equal(tree_sh("rm -rf \"$1\"", in_root(JOB), NULL), 0);
		only_tools(tools);
		assert_int_equal(unlink(tree_path(bin, "tar")), 0);
		tree_file(bin, "tar", fake, strlen(fake), 0755);
		free(fake);
		stage();
		setenv("PATH", old_path, 1);
		assert_failed(ERROR_CHECKSUM, alterations[i][0] == 'e' ? "'code/ends\\\\' arrived altered"
				: alterations[i][1] == 'w' ? "'code/two\\nlines' arrived altered"
							   : "'code/train.py' arrived altered");
		assert_incoming_is_empty();
	}
}

static bool have(const char *tool)
{
	return tree_sh("command -v \"$1\" >/dev/null", tool, NULL) == 0;
}

#define HASHED_BY(tool, tools) \
	static void tool##_alone_verifies(void **state) \
	{ \
		(void)state; \
		if (!have(#tool)) \
			skip(); \
		assert_verified_with(BASE_TOOLS " awk xargs " tools, #tool); \
	}

HASHED_BY(openssl, "openssl")
HASHED_BY(sha256sum, "sha256sum")
HASHED_BY(shasum, "shasum")
HASHED_BY(python3, "python3")
HASHED_BY(busybox, "busybox")

static void no_tool_at_all_is_read_back(void **state)
{
	(void)state;
	assert_verified_with(BASE_TOOLS " awk xargs", "sftp");
}

static void tool_without_awk_or_xargs_is_read_back(void **state)
{
	(void)state;
	assert_verified_with(BASE_TOOLS " xargs openssl", "sftp");
}

static void tool_that_hashes_wrongly_is_not_used(void **state)
{
	(void)state;
	tree_text(code, "x", "1");
	snapshot();
	only_tools(BASE_TOOLS " awk xargs sha256sum");
	tree_file(bin, "openssl", "#!/bin/sh\necho 00\n", 18, 0755);
	stage_ok();
	assert_string_equal(job.verified_by, "sha256sum");
}

static void applets_of_busybox_do(void **state)
{
	(void)state;
	if (!have("busybox"))
		skip();
	tree_hostile(code);
	tree_text(dir, "set", "12345");
	add_input(&spec.data, "new\nline", "set");
	snapshot();
	assert_int_equal(tree_sh("for t in $2 sha256sum awk xargs; do ln -s \"$(command -v busybox)\" \"$1/$t\"; done", bin, BASE_TOOLS), 0);
	setenv("PATH", bin, 1);
	stage_ok();
	setenv("PATH", old_path, 1);
	assert_string_equal(job.verified_by, "sha256sum");
	tree_assert_equal(code, tree_path(in_root(JOB), "code"));
	assert_manifest_holds(JOB);
	assert_incoming_is_empty();
}

static void missing_tar_is_told(void **state)
{
	(void)state;
	snapshot();
	only_tools("sh printf mv rm mkdir find chmod tail df id wc awk xargs openssl");
	stage();
	assert_failed(ERROR_REFUSED, "'tar' is not in PATH");
	assert_incoming_is_empty();
}

/* --- what may go wrong --------------------------------------------------------- */

static void altered_data_file_is_named_and_nothing_is_visible(void **state)
{
	(void)state;
	tree_text(code, "x", "1");
	tree_text(dir, "set", "12345");
	add_input(&spec.data, "a.tar", "set");
	add_input(&spec.data, "b.tar", "set");
	snapshot();
	fake_tool("tar", "printf 12346 > ../data/b.tar", "");
	stage();
	assert_failed(ERROR_CHECKSUM, "cluster 'here': 'data/b.tar' arrived altered (sha256 is not that of what was sent)");
	assert_incoming_is_empty();
	assert_true(job.bytes > 0);
	assert_string_equal(job.verified_by, "");
}

static void several_altered_files_are_counted(void **state)
{
	(void)state;
	for (int i = 0; i < 12; i++) {
		char name[16];

		snprintf(name, sizeof name, "f%02d", i);
		tree_text(code, name, name);
	}
	snapshot();
	fake_tool("tar", "", "for f in f0*; do printf y > $f; done");
	stage();
	assert_failed(ERROR_CHECKSUM, "'code/f00', 'code/f01', 'code/f02' and 7 more arrived altered");
}

static void file_that_vanished_is_named(void **state)
{
	(void)state;
	tree_text(code, "a", "1");
	tree_text(code, "b", "2");
	snapshot();
	fake_tool("xargs", "[ ! -d code ] || rm -f code/b", ""); /* counted before, hashed after */
	stage();
	assert_failed(ERROR_CHECKSUM, "code/b'");
}

static void pack_altered_on_the_way_is_not_unpacked(void **state)
{
	(void)state;
	tree_text(code, "a", "1");
	snapshot();
	fake_tool("openssl", "[ ! -f pack ] || printf x >> pack", "");
	fake_tool("tar", "touch \"$HOME/unpacked\"", "");
	stage();
	assert_failed(ERROR_CHECKSUM, "the upload's 'pack' arrived altered");
	assert_false(exists(tree_path(dir, "unpacked")));
	assert_incoming_is_empty();
}

static void list_of_names_altered_on_the_way_is_noticed(void **state)
{
	(void)state;
	tree_text(code, "a", "1");
	snapshot();
	fake_tool("openssl", "[ ! -f names ] || : > names; [ ! -f sums ] || : > sums", "");
	stage();
	assert_failed(ERROR_CHECKSUM, "the upload's 'names' arrived altered");
}

static void link_that_was_not_unpacked_is_noticed(void **state)
{
	(void)state;
	tree_text(code, "a", "1");
	tree_link(code, "l", "a");
	snapshot();
	fake_tool("tar", "", "rm -f l");
	stage();
	assert_failed(ERROR_CHECKSUM, "unpacking the code gave 0 links instead of 1");
}

static void empty_directory_that_was_not_unpacked_is_noticed(void **state)
{
	(void)state;
	tree_dir(code, "a/b");
	tree_text(code, "a.x/c", "1");
	snapshot();
	fake_tool("tar", "", "rmdir a/b");
	stage();
	assert_failed(ERROR_CHECKSUM, "unpacking the code gave 3 directories instead of 4");
}

static void two_at_one_upload_do_not_both_unpack(void **state)
{
	(void)state;
	snapshot();
	fake_tool("openssl", "[ ! -f pack ] || mkdir tree/code", ""); /* the other one */
	stage();
	assert_failed(ERROR_BUSY, "is being verified already");
	assert_incoming_is_empty();
}

/* discard.sh at work while stage.sh verifies. */
static void discarded_upload_is_never_shown(void **state)
{
	(void)state;
	tree_text(code, "a", "1");
	snapshot();
	fake_tool("chmod", "mv tree dead.1", ""); /* the last thing before the rename */
	tree_text(dir, "set", "1");
	add_input(&spec.data, "set", "set");
	snapshot();
	stage();
	assert_false(job.done);
	assert_false(exists(in_root(JOB)));
	assert_incoming_is_empty();
}

static void name_taken_meanwhile_is_not_moved_into(void **state)
{
	char *script = xasprintf("mkdir \"%s\" && : > \"%s/foreign\"", "$HOME/it's a \\$(root)/" JOB,
				 "$HOME/it's a \\$(root)/" JOB);

	(void)state;
	tree_text(code, "a", "1");
	snapshot();
	fake_tool("tar", script, "");
	free(script);
	stage();
	assert_false(job.done);
	assert_int_equal(job.error.kind, ERROR_EXISTS);
	assert_int_equal(tree_sh("test \"$(ls -A \"$1\")\" = foreign", in_root(JOB), NULL), 0);
	assert_incoming_is_empty();
}

static void job_staged_by_another_meanwhile_is_done(void **state)
{
	(void)state;
	tree_text(code, "a", "1");
	snapshot();
	fake_tool("tar", "mkdir -p \"$HOME/it's a \\$(root)/" JOB "/.kedge\"", "");
	stage_ok();
	assert_false(exists(tree_path(in_root(JOB), "tree")));
	assert_incoming_is_empty();
}

static void data_changed_since_submit_is_told(void **state)
{
	(void)state;
	tree_text(code, "a", "1");
	tree_text(dir, "set", "12345");
	add_input(&spec.data, "set", "set");
	snapshot();
	tree_text(dir, "set", "123456");
	stage();
	assert_failed(ERROR_SPEC, "/set' changed since submit");
	assert_null(strstr(job.error.text, "cluster"));
	assert_incoming_is_empty();
}

static void damaged_snapshot_is_told(void **state)
{
	struct stat st;

	(void)state;
	tree_text(code, "a", "1");
	snapshot();
	assert_int_equal(stat(tree_path(spool, "code.tar"), &st), 0);
	assert_int_equal(tree_sh("printf x | dd of=\"$1\" bs=1 seek=600 conv=notrunc 2>/dev/null", tree_path(spool, "code.tar"), NULL), 0);
	stage();
	assert_failed(ERROR_STORE, "is damaged: the pack is not what was packed");
	assert_incoming_is_empty();

	tree_text(dir, "spool/inputs", "nonsense");
	stage();
	assert_failed(ERROR_STORE, "is damaged: not a list of inputs");
	assert_int_equal(unlink(tree_path(spool, "inputs")), 0);
	stage();
	assert_failed(ERROR_STORE, "is damaged");
}

static void full_disk_is_told_with_numbers_while_sending(void **state)
{
	(void)state;
	if (!mount_root("size=512k"))
		skip();
	noise_file("big", 900000);
	add_input(&spec.data, "big", "big");
	snapshot();
	stage();
	assert_failed(ERROR_NO_SPACE, " free of 512.0 KiB)");
	assert_non_null(strstr(job.error.text, "data/big"));
	assert_incoming_is_empty();
	unmount_root();
}

static void full_disk_is_told_with_numbers_while_unpacking(void **state)
{
	(void)state;
	if (!mount_root("size=800k"))
		skip();
	noise_file("my code/half", 450000);
	tree_text(code, "zz", "1");
	snapshot();
	stage();
	assert_failed(ERROR_NO_SPACE, "to unpack the code (0 B free of 800.0 KiB)");
	assert_incoming_is_empty();
	unmount_root();
}

static void file_larger_than_the_disk_is_not_even_begun(void **state)
{
	(void)state;
	if (!mount_root("size=1m"))
		skip();
	tree_text(dir, "sparse", "");
	assert_int_equal(truncate(tree_path(dir, "sparse"), 1LL << 40), 0);
	add_input(&spec.data, "sparse", "sparse");
	snapshot();
	tree_dir(root, ".kedge/incoming");
	stage();
	assert_failed(ERROR_NO_SPACE, "no space for 1.0 TiB in '");
	assert_non_null(strstr(job.error.text, "1.0 MiB)"));
	assert_int_equal(job.bytes, 0);
	unmount_root();
}

static void no_inodes_left_is_told(void **state)
{
	(void)state;
	if (!mount_root("size=4m,nr_inodes=40"))
		skip();
	for (int i = 0; i < 60; i++) {
		char name[16];

		snprintf(name, sizeof name, "f%d", i);
		tree_text(code, name, "1");
	}
	snapshot();
	stage();
	assert_failed(ERROR_NO_SPACE, "no space left in '");
	assert_incoming_is_empty();
	unmount_root();
}

static void more_files_than_inodes_are_not_even_begun(void **state)
{
	(void)state;
	if (!mount_root("size=4m,nr_inodes=1100"))
		skip();
	for (int i = 0; i < 1200; i++) {
		char name[16];

		snprintf(name, sizeof name, "f%d", i);
		tree_text(code, name, "1");
	}
	snapshot();
	stage();
	assert_failed(ERROR_NO_SPACE, "no inodes for 1,2");
	assert_non_null(strstr(job.error.text, " free)"));
	assert_int_equal(job.bytes, 0);
	unmount_root();
}

static void much_for_a_read_only_root_is_not_even_begun(void **state)
{
	(void)state;
	if (!mount_root("ro"))
		skip();
	noise_file("my code/half", 600000);
	snapshot();
	stage();
	assert_failed(ERROR_DENIED, "it's a $(root)' is on a read-only file system");
	assert_int_equal(job.bytes, 0);
	unmount_root();
}

static void read_only_root_is_told(void **state)
{
	(void)state;
	if (!mount_root("ro"))
		skip();
	snapshot();
	stage();
	assert_failed(ERROR_DENIED, "it's a $(root)' cannot be written");
	assert_non_null(strstr(job.error.text, "read-only file system"));
	assert_non_null(strstr(job.error.text, "(uid 0)"));
	unmount_root();
}

static void root_that_nobody_can_make_is_told_to_every_job(void **state)
{
	struct stage_job jobs[2] = { job, job };

	(void)state;
	jobs[1].job_id = "another";
	free(cluster.root);
	cluster.root = xstrdup("/proc/kedge/root");
	snapshot();
	connect_site();
	assert_int_equal(stage_jobs(site, jobs, 2, &err), 0);
	for (int i = 0; i < 2; i++) {
		assert_false(jobs[i].done);
		assert_int_equal(jobs[i].error.kind, ERROR_REFUSED);
		assert_non_null(strstr(jobs[i].error.text, "root '/proc/kedge/root' cannot be written"));
	}
}

/* By somebody who is not root. */
static void root_of_another_user_is_told(void **state)
{
	int status = 0;
	pid_t pid;

	(void)state;
	tree_text(code, "a", "1");
	snapshot();
	tree_dir(root, ".");
	if (getuid() == 0)
		assert_int_equal(tree_sh("chown -R 65534 \"$1\"", dir, NULL), 0);
	assert_int_equal(chmod(root, 0500), 0);
	pid = fork();
	if (pid == 0) {
		if (getuid() == 0 && setresuid(65534, 65534, 65534) != 0)
			_exit(3);
		site = site_open(&cluster, &err);
		if (!site || stage_jobs(site, &job, 1, &err) != 0 || job.done)
			_exit(4);
		_exit(job.error.kind != ERROR_DENIED || !strstr(job.error.text, "it's a $(root)' cannot be written") ||
		      !strstr(job.error.text, "permission denied (uid "));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(chmod(root, 0700), 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- several ------------------------------------------------------------------- */

static void many_jobs_are_staged_at_once(void **state)
{
	struct stage_job jobs[MAX_JOBS];
	char ids[MAX_JOBS][16];

	(void)state;
	tree_text(code, "a", "1");
	tree_text(dir, "set", "12345");
	add_input(&spec.data, "set", "set");
	snapshot();
	for (int i = 0; i < MAX_JOBS; i++) {
		snprintf(ids[i], sizeof ids[i], "job-%d", i);
		jobs[i] = job;
		jobs[i].job_id = ids[i];
	}
	connect_site();
	if (stage_jobs(site, jobs, MAX_JOBS, &err) != 0)
		fail_msg("%s", err.text);
	for (int i = 0; i < MAX_JOBS; i++) {
		if (!jobs[i].done)
			fail_msg("%s", jobs[i].error.text);
		assert_int_equal(assert_manifest_holds(ids[i]), 4);
	}
	assert_incoming_is_empty();
}

/* Nothing is kept in the cache there, so that what they share cannot come from it. */
static void jobs_that_share_files_need_no_tool_to_hash_with(void **state)
{
	struct stage_job jobs[3] = { job, job, job };

	(void)state;
	tree_text(code, "a", "1");
	tree_text(dir, "set", "12345");
	add_input(&spec.data, "set", "set");
	snapshot();
	jobs[1].job_id = "job-2";
	jobs[2].job_id = "job-3";
	only_tools(BASE_TOOLS " awk xargs ls ln cp touch");
	connect_site();
	if (stage_jobs(site, jobs, 3, &err) != 0)
		fail_msg("%s", err.text);
	setenv("PATH", old_path, 1);
	for (int i = 0; i < 3; i++) {
		if (!jobs[i].done)
			fail_msg("%s", jobs[i].error.text);
		assert_string_equal(jobs[i].verified_by, "sftp");
		assert_int_equal(assert_manifest_holds(jobs[i].job_id), 4);
	}
	assert_false(exists(in_root(".kedge/cache")));
	assert_incoming_is_empty();
}

static void trouble_of_one_job_does_not_stop_the_others(void **state)
{
	static const char *const ids[] = { "good-1", "changed", "left-over", "there", "../evil", "good-2", "altered" };
	enum { N = sizeof ids / sizeof *ids };
	struct stage_job jobs[N];
	struct spec plain;
	char *other = xasprintf("%s/other", dir), *third = xasprintf("%s/third", dir);

	(void)state;
	spec_init(&plain);
	plain.code = xstrdup(spec.code);
	tree_text(code, "a", "1");
	tree_dir(dir, "other");
	tree_dir(dir, "third");
	if (stage_snapshot(&plain, spool, NULL, &err) != 0)
		fail_msg("%s", err.text);
	tree_text(dir, "set", "12345");
	add_input(&spec.data, "set", "set");
	if (stage_snapshot(&spec, other, NULL, &err) != 0)
		fail_msg("%s", err.text);
	tree_text(dir, "set2", "12345");
	forget_inputs(&spec.data);
	add_input(&spec.data, "set2", "set2");
	if (stage_snapshot(&spec, third, NULL, &err) != 0)
		fail_msg("%s", err.text);
	tree_text(dir, "set", "changed");
	tree_text(root, ".kedge/incoming/left-over/pack", "old");
	tree_dir(root, "there");
	fake_tool("tar", "[ ! -f ../data/set2 ] || echo x >> ../data/set2", "");
	for (size_t i = 0; i < N; i++) {
		jobs[i] = job;
		jobs[i].job_id = ids[i];
	}
	jobs[1].spool = other;
	jobs[6].spool = third;
	connect_site();
	if (stage_jobs(site, jobs, N, &err) != 0)
		fail_msg("%s", err.text);
	assert_true(jobs[0].done);
	assert_int_equal(jobs[1].error.kind, ERROR_SPEC);
	assert_true(jobs[2].done);
	assert_true(jobs[3].done);
	assert_int_equal(jobs[4].error.kind, ERROR_INTERNAL);
	assert_true(jobs[5].done);
	assert_int_equal(jobs[6].error.kind, ERROR_CHECKSUM);
	assert_false(exists(in_root("changed")));
	assert_false(exists(in_root("altered")));
	assert_int_equal(assert_manifest_holds("left-over"), 3);
	assert_incoming_is_empty();
	spec_release(&plain);
	free(other);
	free(third);
}

static void changed_file_of_one_job_does_not_stop_the_other(void **state)
{
	struct stage_job jobs[2] = { job, job };
	char *other = xasprintf("%s/other", dir);

	(void)state;
	tree_text(code, "a", "1");
	snapshot();
	tree_dir(dir, "other");
	tree_text(dir, "set", "12345");
	add_input(&spec.data, "set", "set");
	if (stage_snapshot(&spec, other, NULL, &err) != 0)
		fail_msg("%s", err.text);
	tree_text(dir, "set", "changed");
	jobs[0].job_id = "changed";
	jobs[0].spool = other;
	connect_site();
	assert_int_equal(stage_jobs(site, jobs, 2, &err), 0);
	assert_int_equal(jobs[0].error.kind, ERROR_SPEC);
	assert_true(jobs[1].done);
	assert_incoming_is_empty();
	free(other);
}

/* --- not knowing ----------------------------------------------------------------- */

/* A wire to the sftp-server that breaks after n bytes. */
static void cut_after(size_t n)
{
	char *script = xasprintf("#!/bin/sh\ndd bs=1 count=%zu 2>/dev/null | %s\n", n, KEDGE_SFTP_SERVER);

	tree_file(dir, "cut", script, strlen(script), 0755);
	setenv("KEDGE_SFTP_SERVER", tree_path(dir, "cut"), 1);
	free(script);
}

static void cut_at_any_byte_leaves_the_job_undecided_and_the_next_try_succeeds(void **state)
{
	size_t undecided = 0, n;

	(void)state;
	tree_text(code, "a", "1");
	noise_file("set", 5000);
	add_input(&spec.data, "set", "set");
	snapshot();
	for (n = 1; ; n += n < 600 ? 37 : 997) {
		cut_after(n);
		connect_site();
		if (stage_jobs(site, &job, 1, &err) == 0)
			break;
		undecided++;
		assert_false(job.done);
		assert_int_equal(job.error.kind, ERROR_NONE);
		assert_true(error_is_unknown(err.kind) || err.kind == ERROR_REFUSED);
		assert_non_null(strstr(err.text, "cluster 'here': "));
		assert_false(exists(in_root(JOB)));
	}
	assert_true(job.done);
	assert_true(undecided > 20);
	assert_true(n > 8000);
	assert_manifest_holds(JOB);
	assert_incoming_is_empty();
}

static void script_that_dies_leaves_the_job_undecided(void **state)
{
	(void)state;
	tree_text(code, "a", "1");
	snapshot();
	fake_tool("tar", "kill -9 0", "");
	connect_site();
	assert_int_equal(stage_jobs(site, &job, 1, &err), -1);
	assert_int_equal(err.kind, ERROR_NETWORK);
	assert_false(job.done);
	assert_false(exists(in_root(JOB)));
	setenv("PATH", old_path, 1);
	stage_ok();
	assert_incoming_is_empty();
}

static void silence_is_a_timeout(void **state)
{
	(void)state;
	tree_text(code, "a", "1");
	snapshot();
	fake_tool("tar", "exec sleep 60", "");
	cluster.timeout_ms = 700;
	connect_site();
	assert_int_equal(stage_jobs(site, &job, 1, &err), -1);
	assert_int_equal(err.kind, ERROR_TIMEOUT);
	assert_false(job.done);
}

/* A wire that lets 32 KiB through every tenth of a second. */
static void slow_upload_that_moves_is_no_timeout(void **state)
{
	char *script = xasprintf("#!/bin/sh\nwhile dd bs=32768 count=1 2>'%s/dd' && ! grep -q '^0+0' '%s/dd'; do sleep 0.1; done | %s\n",
				 dir, dir, KEDGE_SFTP_SERVER);

	(void)state;
	noise_file("set", 1500000);
	add_input(&spec.data, "set", "set");
	snapshot();
	tree_file(dir, "slow", script, strlen(script), 0755);
	free(script);
	setenv("KEDGE_SFTP_SERVER", tree_path(dir, "slow"), 1);
	cluster.timeout_ms = 3000;
	stage_ok();
	assert_true(job.took_ms > 3000);
}

static void verifying_much_may_take_longer(void **state)
{
	(void)state;
	tree_text(dir, "set", "");
	assert_int_equal(truncate(tree_path(dir, "set"), 10 << 20), 0);
	add_input(&spec.data, "set", "set");
	snapshot();
	fake_tool("tar", "sleep 1.5", "");
	cluster.timeout_ms = 1000;
	stage_ok();
}

/* --- the other way ---------------------------------------------------------------- */

static int collect(void *arg, const void *data, size_t n, struct error *e)
{
	(void)e;
	strbuf_add(arg, data, n);
	return 0;
}

static void files_of_a_job_can_be_read(void **state)
{
	struct strbuf got = STRBUF_INIT;
	uint64_t size = 7;

	(void)state;
	tree_text(root, JOB "/logs/out\n1", "some text");
	tree_dir(root, JOB "/outputs");
	connect_site();
	assert_int_equal(stage_size(site, JOB, "logs/out\n1", &size, &err), ANSWER_YES);
	assert_int_equal(size, 9);
	assert_int_equal(stage_read(site, JOB, "logs/out\n1", 0, UINT64_MAX, collect, &got, &err), 0);
	assert_string_equal(got.buf, "some text");
	strbuf_reset(&got);
	assert_int_equal(stage_read(site, JOB, "logs/out\n1", 5, 2, collect, &got, &err), 0);
	assert_string_equal(got.buf, "te");
	strbuf_reset(&got);
	assert_int_equal(stage_read(site, JOB, "logs/out\n1", 9, 2, collect, &got, &err), 0);
	assert_int_equal(got.len, 0);

	size = 7;
	assert_int_equal(stage_size(site, JOB, "logs/none", &size, &err), ANSWER_NO);
	assert_int_equal(stage_size(site, JOB, "outputs", &size, &err), ANSWER_NO);
	assert_int_equal(size, 7);
	assert_int_equal(stage_read(site, JOB, "logs/none", 0, 9, collect, &got, &err), -1);
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
	assert_int_equal(stage_read(site, JOB, "../x", 0, 9, collect, &got, &err), -1);
	assert_int_equal(err.kind, ERROR_INTERNAL);
	strbuf_release(&got);
}

static void session_that_broke_is_opened_anew(void **state)
{
	struct strbuf got = STRBUF_INIT;
	uint64_t size;

	(void)state;
	tree_text(root, JOB "/x", "1");
	cut_after(15); /* the greeting, and not all of a question */
	connect_site();
	assert_int_equal(stage_size(site, JOB, "x", &size, &err), ANSWER_UNKNOWN);
	assert_int_equal(err.kind, ERROR_NETWORK);
	unsetenv("KEDGE_SFTP_SERVER");
	assert_int_equal(stage_read(site, JOB, "x", 0, 9, collect, &got, &err), 0);
	assert_string_equal(got.buf, "1");
	strbuf_release(&got);
}

/* --- the snapshot ------------------------------------------------------------------ */

static void assert_snapshot_refused(enum error_kind kind, const char *text)
{
	error_clear(&err);
	assert_int_equal(stage_snapshot(&spec, spool, NULL, &err), -1);
	if (err.kind != kind || !strstr(err.text, text))
		fail_msg("%s: %s", error_kind_name(err.kind), err.text);
}

static void set(char **field, const char *value)
{
	free(*field);
	*field = xstrdup(value);
}

static void snapshot_wants_entry_and_requirements_to_be_files(void **state)
{
	char *want = xasprintf("entry 'trian.py' is not in code '%s'; did you mean 'train.py'?", code);

	(void)state;
	tree_text(code, "train.py", "x");
	tree_text(code, "d/file", "x");
	tree_text(code, ".git/train.py", "x");
	tree_link(code, "link.py", "d/../train.py");
	tree_link(code, "dangling.py", "nothing");
	set(&spec.entry, "trian.py");
	assert_snapshot_refused(ERROR_SPEC, want);
	free(want);
	set(&spec.entry, "d");
	assert_snapshot_refused(ERROR_SPEC, "entry 'd' is a directory of code");
	set(&spec.entry, ".git/train.py");
	assert_snapshot_refused(ERROR_SPEC, "entry '.git/train.py' is not in code");
	set(&spec.entry, "dangling.py");
	assert_snapshot_refused(ERROR_SPEC, "is not in code");
	set(&spec.entry, "nothing like it at all");
	assert_snapshot_refused(ERROR_SPEC, "is not in code");
	assert_null(strstr(err.text, "did you mean"));
	set(&spec.entry, "link.py");
	set(&spec.requirements, "requirements.txt");
	assert_snapshot_refused(ERROR_SPEC, "requirements 'requirements.txt' is not in code");
	tree_text(code, "requirements.txt", "numpy\n");
	snapshot();
}

static void snapshot_refuses_what_cannot_be_sent(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(tree_path(code, "p"), 0600), 0);
	assert_snapshot_refused(ERROR_SPEC, "'p' is a fifo");
	assert_int_equal(unlink(tree_path(code, "p")), 0);
	add_input(&spec.data, "gone", "gone");
	assert_snapshot_refused(ERROR_SPEC, "data 'gone': '");
	forget_inputs(&spec.data);
	set(&spec.code, "local:/nonexistent");
	assert_snapshot_refused(ERROR_SPEC, "code '/nonexistent'");
	set(&spec.code, "git:x");
	assert_snapshot_refused(ERROR_SPEC, "git");
	assert_int_equal(tree_sh("test -z \"$(ls -A \"$1\")\"", spool, NULL), 0);
}

static void snapshot_without_spool_only_looks(void **state)
{
	struct source src = SOURCE_INIT;

	(void)state;
	tree_text(code, "a", "1");
	assert_int_equal(stage_snapshot(&spec, NULL, &src, &err), 0);
	assert_int_equal(src.n, 1);
	assert_string_equal(src.v[0].path, "a");
	source_release(&src);
	assert_int_equal(tree_sh("test -z \"$(ls -A \"$1\")\"", spool, NULL), 0);
}

static void spool_that_cannot_be_written_is_a_store_error(void **state)
{
	(void)state;
	tree_text(code, "a", "1");
	assert_int_equal(rmdir(spool), 0);
	assert_snapshot_refused(ERROR_STORE, "spool");
}

static void what_runs_is_what_was_submitted(void **state)
{
	(void)state;
	tree_text(code, "a", "as submitted");
	snapshot();
	tree_text(code, "a", "edited afterwards");
	tree_text(code, "b", "new");
	stage_ok();
	assert_text(tree_path(in_root(JOB), "code/a"), "as submitted");
	assert_false(exists(tree_path(in_root(JOB), "code/b")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(hostile_names_arrive_identical),
		TEST(tree_has_what_the_specification_says),
		TEST(empty_code_directory_is_staged),
		TEST(root_below_home_is_made_with_its_parents),
		TEST(root_may_be_a_link),
		TEST(tree_that_is_there_is_done_without_sending),
		TEST(something_else_under_the_name_is_told),
		TEST(leftover_of_a_killed_try_is_replaced),
		TEST(leftover_that_had_been_unpacked_is_replaced),
		TEST(removing_begins_with_the_name_of_the_tree),
		TEST(leftover_of_directories_only_is_used),
		TEST(openssl_alone_verifies),
		TEST(sha256sum_alone_verifies),
		TEST(shasum_alone_verifies),
		TEST(python3_alone_verifies),
		TEST(busybox_alone_verifies),
		TEST(no_tool_at_all_is_read_back),
		TEST(tool_without_awk_or_xargs_is_read_back),
		TEST(tool_that_hashes_wrongly_is_not_used),
		TEST(applets_of_busybox_do),
		TEST(missing_tar_is_told),
		TEST(altered_data_file_is_named_and_nothing_is_visible),
		TEST(several_altered_files_are_counted),
		TEST(file_that_vanished_is_named),
		TEST(pack_altered_on_the_way_is_not_unpacked),
		TEST(list_of_names_altered_on_the_way_is_noticed),
		TEST(link_that_was_not_unpacked_is_noticed),
		TEST(empty_directory_that_was_not_unpacked_is_noticed),
		TEST(two_at_one_upload_do_not_both_unpack),
		TEST(discarded_upload_is_never_shown),
		TEST(name_taken_meanwhile_is_not_moved_into),
		TEST(job_staged_by_another_meanwhile_is_done),
		TEST(data_changed_since_submit_is_told),
		TEST(damaged_snapshot_is_told),
		TEST(full_disk_is_told_with_numbers_while_sending),
		TEST(full_disk_is_told_with_numbers_while_unpacking),
		TEST(file_larger_than_the_disk_is_not_even_begun),
		TEST(no_inodes_left_is_told),
		TEST(more_files_than_inodes_are_not_even_begun),
		TEST(much_for_a_read_only_root_is_not_even_begun),
		TEST(read_only_root_is_told),
		TEST(root_that_nobody_can_make_is_told_to_every_job),
		TEST(root_of_another_user_is_told),
		TEST(many_jobs_are_staged_at_once),
		TEST(jobs_that_share_files_need_no_tool_to_hash_with),
		TEST(trouble_of_one_job_does_not_stop_the_others),
		TEST(changed_file_of_one_job_does_not_stop_the_other),
		TEST(cut_at_any_byte_leaves_the_job_undecided_and_the_next_try_succeeds),
		TEST(script_that_dies_leaves_the_job_undecided),
		TEST(silence_is_a_timeout),
		TEST(slow_upload_that_moves_is_no_timeout),
		TEST(verifying_much_may_take_longer),
		TEST(files_of_a_job_can_be_read),
		TEST(session_that_broke_is_opened_anew),
		TEST(snapshot_wants_entry_and_requirements_to_be_files),
		TEST(snapshot_refuses_what_cannot_be_sent),
		TEST(snapshot_without_spool_only_looks),
		TEST(spool_that_cannot_be_written_is_a_store_error),
		TEST(what_runs_is_what_was_submitted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
