#include "store_fixture.h"

#include <pwd.h>

#include "config/cluster.h"
#include "job/rebuild.h"
#include "launch/list.h"
#include "store/attempt.h"
#include "util/digest.h"

#define ID(n) "01a200e1-b9f5-7397-9fdc-00000000000" n
#define TOKEN(n) "0123456789abcdef0123456789abcde" n
enum { SKEW_MS = 5000 };

/* A listing as remote/list.sh would give it, built a tree at a time. */
static struct strbuf reply = STRBUF_INIT;
static int lines;
static char box[] = "box", gpu_run[] = "gpu-run";
static struct cluster cluster = { .name = box, .launcher = gpu_run };

static void begin(void)
{
	strbuf_reset(&reply);
	strbuf_addstr(&reply, "H 1795308470\n");
	lines = 0;
}

static const char *me(void)
{
	const struct passwd *pw = getpwuid(getuid());

	return pw ? pw->pw_name : "0";
}

/* JSON without a blank, so that it stands for itself. */
static void raw_tree(const char *id, const char *sum, const char *json)
{
	strbuf_addf(&reply, "T %s %s %s\n", id, sum, json);
	lines++;
}

static void tree(const char *id, int number, const char *name, const char *user, int created)
{
	char *json = xasprintf("{\"schema\":1,\"job_id\":\"%s\",\"number\":%d,\"name\":\"%s\",\"cluster\":\"old\",\"database\":\"" TOKEN("f")
			       "\",\"submitter\":\"%s@laptop\",\"created_ms\":%d,\"request\":{\"schema\":1,\"name\":\"%s\",\"code\":"
			       "\"local:/c\",\"entry\":\"main.sh\",\"gpus\":0}}", id, number, name, user, created, name);
	raw_tree(id, "-", json);
	free(json);
}

static void attempt(const char *id, int n, const char *token, const char *rest)
{
	strbuf_addf(&reply, "A %s %d %s %s\n", id, n, token, rest);
	lines++;
}

static void run(struct fixture *f, struct rebuild *r)
{
	struct error err = { 0 };
	struct listing l;

	strbuf_addf(&reply, "O 0\nE %d\n", lines);
	if (list_parse(reply.buf, reply.len, &l, &err))
		fixture_fail(&err);
	r->store = f->s;
	r->cluster = &cluster;
	r->skipped = (struct strvec)STRVEC_INIT;
	if (rebuild_rows(r, &l, SKEW_MS, &err))
		fixture_fail(&err);
	listing_release(&l);
}

static void expect(struct fixture *f, const char *query, const char *rows)
{
	sqlite3 *db = fixture_raw(f->path);

	fixture_expect(db, query, rows);
	sqlite3_close(db);
}

static void a_row_is_what_the_tree_says(void **state)
{
	struct fixture *f = *state;
	struct rebuild r = { 0 };

	begin();
	tree(ID("1"), 42, "train", me(), 1000);
	attempt(ID("1"), 1, TOKEN("1"), "run 0 3 15 - node1 0,1 100 200 300");
	attempt(ID("1"), 2, TOKEN("2"), "run 0 - - - node2 2 400 500 -");
	run(f, &r);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.v[0].was, 42);
	rebuild_release(&r);
	expect(f, "select number, job_id, name, cluster, state, attempt, created_ms, cancel_ms, request from job",
	       "42|" ID("1") "|train|box|LAUNCHING|2|1000||{\"code\":\"local:/c\",\"entry\":\"main.sh\",\"gpus\":0,\"name\":\"train\",\"schema\":1}\n");
	expect(f, "select n, token, launcher, node, gpus, created_ms, started_ms, ended_ms, outcome, exit_code, signal from attempt order by n",
	       "1|" TOKEN("1") "|gpu-run|node1|0,1|95000|195000|295000|ended|3|15\n"
	       "2|" TOKEN("2") "|gpu-run|node2|2|395000|495000||||\n");
	expect(f, "select name, attempt, state_from, state_to, detail from event",
	       "rebuilt|2||LAUNCHING|{\"database\":\"" TOKEN("f") "\",\"number\":42}\n");
}

static void doing_it_twice_changes_nothing(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		struct rebuild r = { 0 };
		begin();
		tree(ID("1"), 1, "train", me(), 1000);
		attempt(ID("1"), 1, TOKEN("1"), "run 0 - - - - - - - -");
		run(f, &r);
		assert_int_equal(r.n, i == 0);
		assert_int_equal(r.known, i == 1);
		assert_int_equal(r.skipped.n, 0);
		rebuild_release(&r);
	}
	expect(f, "select count(*), max(rev) from job", "1|1\n");
	expect(f, "select count(*) from event", "1\n");
}

static void a_taken_number_is_given_to_nobody_else(void **state)
{
	struct fixture *f = *state;
	struct rebuild r = { 0 };

	fixture_submit(f->s, "newcomer", "box"); /* has number 1 */
	begin();
	tree(ID("1"), 1, "first", me(), 1000);
	tree(ID("2"), 2, "younger", me(), 3000);
	tree(ID("3"), 2, "elder", me(), 2000);
	tree(ID("4"), 3, "third", me(), 4000);
	tree(ID("5"), -7, "odd", me(), 5000);
	run(f, &r);
	assert_int_equal(r.n, 5);
	rebuild_release(&r);
	expect(f, "select number, name from job order by number", "1|newcomer\n2|elder\n3|third\n4|first\n5|younger\n6|odd\n");
}

static void what_may_not_be_wanted_any_more_is_held(void **state)
{
	struct fixture *f = *state;
	struct rebuild r = { 0 };

	begin();
	tree(ID("1"), 1, "never", me(), 1);
	tree(ID("2"), 2, "fenced", me(), 2);
	attempt(ID("2"), 1, TOKEN("1"), "fence - - - - - - - - -");
	tree(ID("3"), 3, "no-room", me(), 3);
	attempt(ID("3"), 1, TOKEN("2"), "fence 75 - - - - - - - -");
	tree(ID("4"), 4, "no-token", me(), 4);
	attempt(ID("4"), 1, TOKEN("3"), "run 0 1 0 - - - - - -");
	attempt(ID("4"), 2, "-", "- - - - - - - - - -");
	tree(ID("5"), 5, "cancelled", me(), 5);
	attempt(ID("5"), 1, TOKEN("4"), "fence - - - 100 - - - - -");
	tree(ID("6"), 6, "refused", me(), 6);
	attempt(ID("6"), 1, TOKEN("5"), "fence 2 - - - - - - - -");
	tree(ID("7"), 7, "sent", me(), 7);
	attempt(ID("7"), 1, TOKEN("6"), "- - - - - - - - - -");
	run(f, &r);
	assert_int_equal(r.skipped.n, 0);
	rebuild_release(&r);
	expect(f, "select name, state, attempt, cancel_ms from job order by number",
	       "never|HELD|0|\nfenced|HELD|1|\nno-room|HELD|1|\nno-token|HELD|1|\n"
	       "cancelled|LAUNCHING|1|95000\nrefused|LAUNCHING|1|\nsent|LAUNCHING|1|\n");
	expect(f, "select job, n, outcome from attempt order by job, n", "2|1|fenced\n3|1|refused\n4|1|ended\n5|1|\n6|1|\n7|1|\n");
	expect(f, "select message from job where number = 1", "found on the cluster, never launched; kedge release 1 launches it\n");
	expect(f, "select group_concat(name || ' ' || state_to, ', ') from event where job = 1", "rebuilt LAUNCHING, held HELD\n");
}

static void what_is_damaged_is_skipped_and_the_others_are_not(void **state)
{
	static const char good[] = "{\"schema\":1,\"job_id\":\"" ID("1") "\",\"number\":1,\"name\":\"a\",\"database\":\"\",\"submitter\":\"x@y\","
		"\"created_ms\":1,\"request\":{\"schema\":1,\"name\":\"a\",\"code\":\"local:/c\",\"entry\":\"m\",\"gpus\":0}}";
	static const struct {
		const char *what, *with;
	} bad[] = {
		{ "", "" }, { "\"schema\":1,\"job_id\"", "\"schema\":2,\"job_id\"" }, { "\"schema\":1,\"job_id\"", "\"schema\":\"1\",\"job_id\"" },
		{ ID("1"), ID("2") }, { "\"created_ms\":1,", "\"created_ms\":0," }, { "\"created_ms\":1,", "\"created_ms\":999999999999999999," },
		{ "\"created_ms\":1,", "" }, { "x@y", "x@\\u001by" }, { "\"number\":1,", "\"number\":1,\"number\":2," },
		{ "\"number\":1,", "\"number\":1.5," }, { "\"name\":\"a\",\"database\"", "\"name\":\"b\",\"database\"" },
		{ "\"entry\":\"m\"", "\"entry\":\"../m\"" }, { "\"code\":\"local:/c\",", "" }, { "}}", "}" }, { "}}", "}}}" }, { "x@y", "\xff@y" },
		{ "x@y", "x\\u0000@y" }, { "\"request\":{", "\"request\":[{" },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(bad); i++) {
		struct rebuild r = { .all = true, .dry_run = true };
		struct strbuf json = STRBUF_INIT;
		const char *at = strstr(good, bad[i].what);
		assert_non_null(at);
		strbuf_add(&json, good, (size_t)(at - good));
		strbuf_addstr(&json, bad[i].with);
		strbuf_addstr(&json, at + strlen(bad[i].what));
		begin();
		raw_tree(ID("1"), "-", json.buf);
		tree(ID("3"), 3, "good", "ada", 3);
		run(f, &r);
		if (r.n != (i ? 1 : 2))
			fail_msg("%s: %zu rebuilt", json.buf, r.n);
		assert_int_equal(r.skipped.n, i ? 1 : 0);
		rebuild_release(&r);
		strbuf_release(&json);
	}
	expect(f, "select count(*) from job", "0\n"); /* all were dry runs */
	expect(f, "select count(*) from event", "0\n");
}

static void what_is_not_as_it_was_sent_is_skipped(void **state)
{
	struct fixture *f = *state;
	struct rebuild r = { 0 };

	begin();
	raw_tree(ID("1"), "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "test");      /* the hash of it */
	raw_tree(ID("2"), "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "test%0A");
	raw_tree(ID("3"), "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", "tess");
	run(f, &r);
	assert_int_equal(r.skipped.n, 3); /* none is JSON */
	assert_null(strstr(r.skipped.v[0], "uploaded"));
	assert_null(strstr(r.skipped.v[1], "uploaded"));
	assert_non_null(strstr(r.skipped.v[2], "uploaded"));
	rebuild_release(&r);
}

static void a_copy_is_skipped(void **state)
{
	struct fixture *f = *state;
	struct rebuild r = { 0 };

	begin();
	tree(ID("1"), 1, "first", me(), 1);
	attempt(ID("1"), 1, TOKEN("1"), "run 0 - - - - - - - -");
	tree(ID("2"), 2, "copy", me(), 2);
	attempt(ID("2"), 1, TOKEN("1"), "run 0 - - - - - - - -");
	tree(ID("3"), 3, "twice", me(), 3);
	attempt(ID("3"), 1, TOKEN("2"), "run 0 - - - - - - - -");
	attempt(ID("3"), 2, TOKEN("2"), "run 0 - - - - - - - -");
	run(f, &r);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.skipped.n, 2);
	rebuild_release(&r);
	expect(f, "select name from job", "first\n");
}

static void jobs_of_others_are_taken_when_asked(void **state)
{
	struct fixture *f = *state;
	char *near = xasprintf("%sx", me());

	for (int all = 0; all < 2; all++) {
		struct rebuild r = { .all = all };
		begin();
		tree(ID("1"), 1, "other", near, 1);
		tree(ID("2"), 2, "mine", me(), 2);
		run(f, &r);
		assert_int_equal(r.n, 1);
		assert_int_equal(r.others, !all);
		assert_string_equal(r.v[0].job.name, all ? "other" : "mine");
		rebuild_release(&r);
	}
	free(near);
}

static int teardown(void **state)
{
	strbuf_release(&reply);
	return fixture_teardown(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fixture_setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_row_is_what_the_tree_says),
		TEST(doing_it_twice_changes_nothing),
		TEST(a_taken_number_is_given_to_nobody_else),
		TEST(what_may_not_be_wanted_any_more_is_held),
		TEST(what_is_damaged_is_skipped_and_the_others_are_not),
		TEST(what_is_not_as_it_was_sent_is_skipped),
		TEST(a_copy_is_skipped),
		TEST(jobs_of_others_are_taken_when_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
