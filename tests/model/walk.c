/*
 * walk - random walks of the real engine and the real database over a simulated cluster.
 *
 *	walk [WALKS]           so many, from seed 1 on
 *	walk --seed S [WALKS]  from S on; the steps of one walk are printed
 *
 * A seed gives the same walk again.  Prints TAP, and "# faults: ..." as tests/lib/faults.sh does.
 */
#include "model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/cluster.h"
#include "config/spec.h"
#include "job/cancel.h"
#include "job/retry.h"
#include "job/tick.h"
#include "store/event.h"
#include "store/job.h"
#include "store/store.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/log.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

enum {
	DEADLINE_S = 300,        /* I8: of a process; a busy machine is slow */
	KILLED = 9,
	STEPS = 32,
	CONVERGE_TICKS = 1200,
	BROKEN_MAX = 3,
};

struct model *m;

static char *dir, *db_path, *spool;
static struct strbuf fresh = STRBUF_INIT; /* a database without jobs */
static struct store *ours, *others;       /* two clients */
static struct cluster cluster;
static bool verbose, stolen;

/* --- chance, trace, invariants --- */

uint32_t chance(uint32_t n)
{
	m->rng ^= m->rng << 13; /* xorshift64* */
	m->rng ^= m->rng >> 7;
	m->rng ^= m->rng << 17;
	return (uint32_t)((m->rng * 2685821657736338717ULL) >> 33) % n;
}

bool one_in(uint32_t n)
{
	return chance(n) == 0;
}

static void __attribute__((format(printf, 2, 0))) vtrace(const char *head, const char *fmt, va_list ap)
{
	size_t left = sizeof m->trace - m->trace_n;
	int n;

	if (left < 1024)
		return;
	n = snprintf(m->trace + m->trace_n, left, "#   %s", head);
	n += vsnprintf(m->trace + m->trace_n + n, left - (size_t)n - 2, fmt, ap);
	m->trace_n += (uint32_t)n;
	m->trace[m->trace_n++] = '\n';
	m->trace[m->trace_n] = 0;
}

void trace(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vtrace("", fmt, ap);
	va_end(ap);
}

void fault(const char *fmt, ...)
{
	va_list ap;

	m->n.faults++;
	va_start(ap, fmt);
	vtrace("FAULT: ", fmt, ap);
	va_end(ap);
}

void hold(bool ok, const char *fmt, ...)
{
	va_list ap;

	m->n.checked++;
	if (ok)
		return;
	m->n.violated++;
	m->broken = true;
	va_start(ap, fmt);
	vtrace("VIOLATED: ", fmt, ap);
	va_end(ap);
}

static int64_t our_clock(void)
{
	return m->now_ms + m->ours_off_ms;
}

/* --- one walk's database --- */

static struct store *open_store(void)
{
	struct error err = { 0 };
	struct store *s = store_open(db_path, STORE_WRITE, &err);

	if (!s)
		hold(false, "I7 the database opens: %s", err.text);
	return s;
}

static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(99);
}

static void begin_walk(uint64_t seed)
{
	struct counts n = m->n;
	char *journal = xasprintf("%s-journal", db_path);

	*m = (struct model){ .seed = seed, .rng = (seed + 1) * 0x9E3779B97F4A7C15ULL, .now_ms = 1800000000000, .n = n };
	for (int i = 0; i < JOBS; i++)
		for (int k = 0; k < ATTEMPTS; k++)
			m->t[i].a[k].f = m->t[i].a[k].old = (struct files){ .launch = -1, .rc = -1, .exit = -1, .beat = -1 };
	chance(2);
	m->gpus = 1 + (int)chance(3);
	m->launcher_mode = (int)chance(3); /* refuses, waits, or has a queue */
	cluster.max_running = (int)chance(3);
	unlink(journal);
	unlink(db_path);
	free(journal);
	if (fsutil_write(db_path, fresh.buf, fresh.len, 0600, NULL))
		die(db_path);
	ours = open_store();
	others = open_store();
	truth_new();
}

static void end_walk(void)
{
	store_close(ours);
	store_close(others);
	ours = others = NULL;
	fsutil_remove_tree(spool, NULL);
}

/* --- what clients do --- */

static void submit(void)
{
	struct event ev = { .name = "submitted" };
	struct error err = { 0 };
	struct spec spec;
	struct job job;
	struct tree *t = m->t;
	char *path, *file;

	while (t < m->t + JOBS && t->job_id[0])
		t++;
	if (t == m->t + JOBS)
		return;
	snprintf(t->job_id, sizeof t->job_id, "0190%04x-0000-7000-8000-%012llx", (unsigned)(t - m->t),
		 (unsigned long long)m->seed & 0xffffffffffff);
	trace("submit %s", t->job_id);
	spec_init(&spec);
	spec.name = xstrdup("walk");
	spec.code = xstrdup("local:/nonexistent");
	spec.command = xstrdup("true");
	job = (struct job){ .job_id = xstrdup(t->job_id), .name = xstrdup("walk"), .cluster = xstrdup(cluster.name),
			    .request = spec_to_json(&spec), .submitter = xstrdup("model"), .state = JOB_PENDING };
	path = path_join(spool, t->job_id);
	file = path_join(path, "template.sh");
	if (fsutil_mkdir_p(path, &err) || fsutil_write(file, "#!/bin/sh\n", 10, 0600, &err))
		die(path);
	hold(!job_insert(ours, &job, &ev, &err), "a job is inserted: %s", err.text);
	job_release(&job);
	spec_release(&spec);
	free(path);
	free(file);
}

/* A tick may fail for what the cluster does; never for what kedge does. */
static void check_tick(int rc, const struct error *err)
{
	hold(!rc || (err->kind != ERROR_INTERNAL && err->kind != ERROR_STORE), "a tick says: %s", err->text);
	if (rc)
		trace("  tick: %s", err->text);
}

static int do_tick(struct store *store, struct error *err)
{
	struct tick tick = { .store = store, .cluster = &cluster, .spool = spool, .reach = &sim_reach };

	return tick_run(&tick, err);
}

static void tick_ours(void)
{
	struct error err = { 0 };
	int rc;

	trace("tick");
	stolen = false;
	rc = do_tick(ours, &err);
	check_tick(rc, &err);
}

/* --- kill -9, at any system call that writes the database or any call of a verb --- */

static ssize_t breathing_pwrite(int fd, const void *p, size_t n, off_t at)
{
	breath();
	return pwrite(fd, p, n, at);
}

static int breathing_unlink(const char *path)
{
	breath();
	return unlink(path);
}

static int breathing_ftruncate(int fd, off_t size)
{
	breath();
	return ftruncate(fd, size);
}

static void breathe_in_sqlite(void)
{
	sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);

	vfs->xSetSystemCall(vfs, "pwrite", (sqlite3_syscall_ptr)breathing_pwrite);
	vfs->xSetSystemCall(vfs, "pwrite64", (sqlite3_syscall_ptr)breathing_pwrite);
	vfs->xSetSystemCall(vfs, "unlink", (sqlite3_syscall_ptr)breathing_unlink);
	vfs->xSetSystemCall(vfs, "ftruncate", (sqlite3_syscall_ptr)breathing_ftruncate);
}

/* The status of a process that runs f, or -1 when it did not end by itself. */
static int in_process(void (*f)(void))
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid == 0) {
		alarm(DEADLINE_S);
		f();
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	hold(WIFEXITED(status), "I8 a process ends in time and by itself (%d)", status);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* To open a database takes longer than a tick, so most of these use the one that is open: at the fork it holds no lock,
   and the parent leaves it alone until they are gone. */
static bool afresh;

static void killed_client(void)
{
	struct error err = { 0 };
	struct store *s;

	breathe_in_sqlite();
	s = afresh ? open_store() : ours;
	if (s)
		check_tick(do_tick(s, &err), &err);
}

static void tick_killed(void)
{
	trace("tick, to be killed");
	afresh = one_in(4);
	m->calls = 0;
	m->kill_at = 1 + chance(one_in(2) ? 20 : 120);
	in_process(killed_client);
	m->kill_at = 0;
	if (afresh || one_in(4)) {
		store_close(ours);
		ours = open_store();
	}
}

static struct job any_job(struct store *store)
{
	struct job job = { 0 };

	job_get(store, 1 + (int64_t)chance(JOBS), &job, NULL);
	return job;
}

static void cancel_one(struct store *store)
{
	struct job job = any_job(store);
	struct error err = { 0 };

	if (job.number) {
		trace("cancel job %lld", (long long)job.number);
		hold(!cancel_ask(store, &job, &err), "a cancel is recorded: %s", err.text);
	}
	job_release(&job);
}

static void release_one(void)
{
	struct job job = any_job(others);
	struct error err = { 0 };

	if (job.number && job.state == JOB_HELD) {
		trace("release job %lld", (long long)job.number);
		hold(!cancel_release(others, &job, &err), "a job is released: %s", err.text);
	}
	job_release(&job);
}

/* Of what is over, LOST with and without being told to. */
static void retry_one(void)
{
	struct job job = any_job(others);
	struct error err = { 0 };
	bool lost = one_in(2);

	if (job.number && job_state_is_over(job.state)) {
		trace("retry job %lld%s", (long long)job.number, lost ? ", lost or not" : "");
		hold(!retry_ask(others, &job, lost, &err) || err.kind == ERROR_USAGE || err.kind == ERROR_HELD, "a retry says: %s",
		     err.text);
	}
	job_release(&job);
}

/* Another process finds the lease held, and asks nothing of the cluster. */
static void second_client(void)
{
	struct tick tick = { .store = others, .cluster = &cluster, .spool = spool, .reach = &sim_reach };
	struct error err = { 0 };
	int rc = tick_run(&tick, &err);

	hold(rc ? err.kind == ERROR_BUSY : !tick.looked && !tick.launched, "the lease keeps another client out: %s", err.text);
}

/* While a verb of ours is under way.  A tick of the same process is let in by the lease, as one of another machine
   would be once it has expired: then two do the same work at once. */
static void others_interlude(void)
{
	struct error err = { 0 };

	if (m->calm || !one_in(5))
		return;
	m->in_interlude = true;
	trace(" meanwhile:");
	switch (chance(6)) {
	case 0:
		cancel_one(others);
		break;
	case 1:
		if (!stolen && one_in(3))
			in_process(second_client);
		break;
	case 2:
	case 3:
		fault("two clients at once");
		stolen = true;
		if (one_in(2))
			cluster_advance(1000 * (int64_t)chance(3600));
		check_tick(do_tick(others, &err), &err);
		break;
	default:
		cluster_advance(1000 * (int64_t)chance(120));
		break;
	}
	m->in_interlude = false;
}

static void step(void)
{
	uint32_t n = chance(100);

	if (n < 12)
		submit();
	else if (n < 40)
		tick_ours();
	else if (n < 52)
		tick_killed();
	else if (n < 55)
		cancel_one(ours);
	else if (n < 58)
		release_one();
	else if (n < 61)
		retry_one();
	else if (n < 78)
		cluster_fault();
	else
		cluster_advance(1000 * (int64_t)(1 + chance(one_in(3) ? 1000 : 130)));
}

/* --- convergence --- */

static void converge(void)
{
	struct error err = { 0 };

	m->calm = true;
	m->disk_full = m->no_launcher = false;
	trace("no more faults");
	truth_check(others);
	for (int i = 0; i < CONVERGE_TICKS && !m->broken && !truth_at_rest(); i++) {
		int64_t next = tick_next_ms(ours, cluster.name);
		cluster_advance(next > 130000 ? next : i < 10 ? 130000 : 700000);
		cluster_events(10);
		m->host = i % HOSTS; /* a cluster whose login nodes take turns */
		trace("tick");
		hold(!do_tick(ours, &err), "a tick without faults fails: %s", err.text);
		truth_check(others);
	}
}

static void walk(uint64_t seed)
{
	uint32_t steps;

	begin_walk(seed);
	steps = STEPS / 2 + chance(STEPS);
	for (uint32_t i = 0; i < steps && !m->broken; i++) {
		step();
		if (!m->broken)
			truth_check(others);
	}
	if (!m->broken)
		converge();
	if (!m->broken)
		truth_converged(others);
	if (m->broken)
		printf("# violated with seed %llu; the steps:\n", (unsigned long long)seed);
	if (m->broken || verbose)
		fputs(m->trace, stdout);
	end_walk();
}

/* --- the program --- */

static void set_up(void)
{
	const char *tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");
	struct error err = { 0 };

	sqlite3_config(SQLITE_CONFIG_SINGLETHREAD);
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
	m = mmap(NULL, sizeof *m, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	dir = xasprintf("%s/kedge-walk-XXXXXX", tmp ? tmp : "/tmp");
	if (m == MAP_FAILED || !mkdtemp(dir))
		die("a directory to work in");
	db_path = path_join(dir, "kedge.db");
	spool = path_join(dir, "spool");
	m->now_ms = 1800000000000;
	clock_simulate(our_clock);
	log_set_level(LOG_ERROR);
	interlude = others_interlude;
	cluster_init(&cluster, "sim");
	cluster.launcher = xstrdup("gpu-run");
	cluster.transport = xstrdup("local");
	cluster.host = xstrdup("sim");
	cluster.root = xstrdup("/sim");
	cluster.gpu_run = xstrdup("gpu-run");
	cluster.lost_after_ms = 120000;
	cluster.lost_looks = 2;
	cluster.kill_wait_ms = 30000;
	cluster.start_timeout_ms = 600000;
	store_close(store_open(db_path, STORE_WRITE, &err));
	if (fsutil_read(db_path, 64 << 20, &fresh, &err))
		die(err.text);
}

static void tear_down(void)
{
	fsutil_remove_tree(dir, NULL);
	cluster_release(&cluster);
	strbuf_release(&fresh);
	free(dir);
	free(db_path);
	free(spool);
}

/* Walks that have found something: they come first. */
static const uint64_t remembered[] = { 63007 };
enum { REMEMBERED = sizeof remembered / sizeof remembered[0] };

int main(int argc, char **argv)
{
	uint64_t seed = 1;
	long walks = 2000, done = 0, broken = 0;
	bool all = argc <= 2;

	if (argc > 2 && !strcmp(argv[1], "--seed")) {
		seed = strtoull(argv[2], NULL, 10);
		walks = argc > 3 ? strtol(argv[3], NULL, 10) : 1;
		verbose = walks == 1;
	} else if (argc > 1) {
		walks = strtol(argv[1], NULL, 10);
	}
	set_up();
	for (; done < walks && broken < BROKEN_MAX; done++) {
		if (all && done < REMEMBERED)
			walk(remembered[done]);
		else
			walk(seed + (uint64_t)done);
		broken += m->broken;
	}
	printf("# %ld events on the cluster; jobs ended:", m->n.events);
	for (const struct strtab *t = job_states; t->word; t++)
		if (m->n.ended[t->value])
			printf(" %ld %s", m->n.ended[t->value], t->word);
	printf("\n");
	printf("# faults: %ld injected in %ld runs, %ld invariants checked, %ld violated\n", m->n.faults, done, m->n.checked, m->n.violated);
	printf("%sok 1 - faults happened\n", m->n.faults ? "" : "not ");
	printf("%sok 2 - no invariant was violated\n1..2\n", m->n.violated ? "not " : "");
	truth_new();
	tear_down();
	return m->n.violated != 0;
}
