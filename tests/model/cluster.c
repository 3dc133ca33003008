/* What happens on the simulated cluster by itself.  The order of each script's effects is that of templates/. */
#include "model.h"

#include <string.h>

#include "util/xalloc.h"

bool process_lives(const struct process *p)
{
	return p->start && p->boot == m->boot[p->host] && m->pids[p->host][p->pid] == p->start;
}

void process_start(struct process *p, int host)
{
	int pid = 1 + (int)chance(PIDS - 1);

	while (m->pids[host][pid])
		pid = 1 + pid % (PIDS - 1);
	*p = (struct process){ host, m->boot[host], pid, ++m->ticks };
	m->pids[host][pid] = p->start;
}

void process_end(struct process *p)
{
	if (process_lives(p))
		m->pids[p->host][p->pid] = 0;
}

struct tree *cluster_tree(const char *job_id)
{
	for (int i = 0; i < JOBS; i++)
		if (!strcmp(m->t[i].job_id, job_id))
			return &m->t[i];
	hold(false, "a verb names job %s, which was never submitted", job_id);
	return &m->t[0];
}

struct attempt_sim *cluster_attempt(const struct launch_job *job)
{
	struct tree *t = cluster_tree(job->job_id);
	bool sane = job->attempt >= 1 && job->attempt <= ATTEMPTS;
	struct attempt_sim *a = &t->a[sane ? job->attempt - 1 : 0];

	hold(sane, "attempt %d of a job", job->attempt);
	if (!a->token[0])
		strncpy(a->token, job->token, sizeof a->token - 1);
	hold(!strcmp(a->token, job->token), "the token of attempt %d never changes", job->attempt);
	return a;
}

bool attempt_lives(const struct attempt_sim *a, int host)
{
	for (int i = 0; i < a->workers; i++)
		if (process_lives(&a->w[i].p) && (host < 0 || a->w[i].p.host == host) && a->w[i].stage == W_CALLING)
			return true;
	for (int i = 0; i < a->runs; i++)
		if ((process_lives(&a->r[i].p) || a->r[i].user) && (host < 0 || a->r[i].p.host == host))
			return true;
	return a->promised && (host < 0 || a->promised_host == host);
}

bool user_code_lives(const struct attempt_sim *a)
{
	for (int i = 0; i < a->runs; i++)
		if (a->r[i].user)
			return true;
	return false;
}

static int gpus_used(void)
{
	int n = 0;

	for (int i = 0; i < JOBS; i++)
		for (int k = 0; k < ATTEMPTS && m->t[i].a[k].token[0]; k++)
			n += user_code_lives(&m->t[i].a[k]);
	return n;
}

/* The launcher starts run.sh: its file must still be there. */
static void start_run(struct attempt_sim *a, int host)
{
	struct run *r;

	if (!a->f.stub || a->runs == RUNS)
		return;
	r = &a->r[a->runs++];
	*r = (struct run){ .left = 1 + (int)chance(8), .code = one_in(3) ? 1 + (int)chance(3) : 0, .timeout = one_in(12) };
	process_start(&r->p, host);
}

/* gpu-run at work for a worker: it takes, refuses, waits, or lies. */
static void launcher_answers(struct worker *w, struct attempt_sim *a)
{
	bool full = gpus_used() >= m->gpus;

	w->rc = 0;
	if (!m->calm && one_in(25)) {
		fault("gpu-run refuses and starts run.sh all the same");
		w->rc = 1;
		a->promised = 1;
	} else if (!m->calm && one_in(25)) {
		fault("gpu-run says yes and starts nothing");
	} else if (!m->calm && one_in(25)) {
		fault("gpu-run starts run.sh twice");
		a->promised = 2;
	} else if (!m->calm && one_in(12)) {
		w->rc = one_in(3) ? 75 : 1 + (int)chance(126);
		fault("gpu-run refuses with %d", w->rc);
	} else if (full && m->launcher_mode == 0) {
		w->rc = 75;
	} else if (full) {
		return; /* it waits */
	} else if (m->launcher_mode == 2) {
		a->promised = 1; /* a queue */
	} else {
		start_run(a, w->p.host);
	}
	a->promised_host = w->p.host;
	a->refused |= w->rc > 0;
	w->stage = W_ANSWERED;
}

static void worker_event(struct attempt_sim *a, struct worker *w, int index)
{
	switch (w->stage) {
	case W_SPAWNED:
		if (a->f.dir && !m->disk_full && a->f.launch < 0)
			a->f.launch = index;
		if (a->f.launch != index || !a->f.dir) {
			w->stage = W_GONE;
			process_end(&w->p);
		} else {
			w->stage = W_CLAIMED;
		}
		break;
	case W_CLAIMED:
		w->stage = W_CALLING;
		break;
	case W_CALLING:
		launcher_answers(w, a);
		break;
	case W_ANSWERED:
		if (a->f.dir && !m->disk_full)
			a->f.rc = w->rc;
		w->stage = W_GONE;
		process_end(&w->p);
		break;
	}
}

/* I1, I2: here user code begins. */
static void user_code_begins(struct tree *t, struct attempt_sim *a, struct run *r)
{
	r->user = true;
	r->stage = R_USER;
	a->starts++;
	hold(a->starts == 1, "I1 user code of attempt %d starts %d times", (int)(a - t->a) + 1, a->starts);
	hold(!a->fenced, "I2 user code of attempt %d starts, which is fenced", (int)(a - t->a) + 1);
	for (int k = 0; k < ATTEMPTS && t->a[k].token[0]; k++)
		hold(&t->a[k] == a || !user_code_lives(&t->a[k]), "I2 user code of attempts %d and %d lives at once",
		     k + 1, (int)(a - t->a) + 1);
}

/* A file server goes on listing a directory as it is now. */
static void lists_old(struct tree *t, int host)
{
	t->stale_host = host;
	t->stale_until_ms = m->now_ms + 1000 * (STALE_S / 3 + (int64_t)chance(one_in(4) ? 600 : STALE_S * 2 / 3));
	t->hidden |= t->stale_until_ms > m->now_ms + 1000 * STALE_S;
	t->old_marker = t->marker;
	for (int k = 0; k < ATTEMPTS; k++)
		t->a[k].old = t->a[k].f;
}

static void put_marker(struct tree *t, int n, const struct run *r)
{
	t->marker = r->code ? OBS_MARKER_FAILED : OBS_MARKER_SUCCESS;
	t->marker_attempt = n;
	t->marker_from_ms = 0;
	if (!m->calm && one_in(8)) {
		fault("a marker is listed late");
		t->marker_from_ms = m->now_ms + 1000 * (int64_t)chance(one_in(4) ? 3600 : STALE_S);
		t->hidden |= t->marker_from_ms > m->now_ms + 1000 * STALE_S;
	}
}

static void program_ends(struct run *r)
{
	r->user = false;
	r->stage = R_ENDED;
	if (r->term)
		r->code = 143;
	else if (r->timeout)
		r->code = 1;
}

static void run_event(struct tree *t, struct attempt_sim *a, struct run *r, int index)
{
	int n = (int)(a - t->a) + 1;
	bool writes = a->f.dir && !m->disk_full;

	switch (r->stage) {
	case R_STARTED:
		if (!writes || a->f.go != OBS_CLAIM_NONE) {
			r->stage = R_GONE; /* 75: fenced, or started elsewhere */
			process_end(&r->p);
			break;
		}
		a->f.go = OBS_CLAIM_RUN;
		a->winner = index;
		a->claimed = true;
		a->began_ms = m->now_ms + m->theirs_off_ms;
		r->stage = R_CLAIMED;
		break;
	case R_CLAIMED:
		t->marker = OBS_MARKER_NONE;
		user_code_begins(t, a, r);
		break;
	case R_USER:
		if (r->term ? one_in(2) : --r->left <= 0)
			program_ends(r);
		break;
	case R_ENDED:
		if (!m->calm && one_in(5)) {
			fault("what run.sh writes last is listed late");
			lists_old(t, r->p.host);
		}
		if (writes) {
			a->f.exit = r->code;
			a->recorded = true;
			a->code = r->code;
			a->signal = r->term ? 15 : 0;
			a->timeout = r->timeout && !r->term;
			a->ended_ms = m->now_ms + m->theirs_off_ms;
		}
		r->stage = R_RECORDED;
		break;
	case R_RECORDED:
		if (writes && a->recorded)
			put_marker(t, n, r);
		r->stage = R_GONE;
		process_end(&r->p);
		break;
	}
}

/* What run.sh left behind ends some time, and writes nothing. */
static void orphan_event(struct run *r)
{
	if (r->term || --r->left <= 0)
		r->user = false;
}

static void attempt_event(struct tree *t, struct attempt_sim *a)
{
	int i = a->workers ? (int)chance((uint32_t)a->workers) : -1, k;

	if (i >= 0 && process_lives(&a->w[i].p))
		worker_event(a, &a->w[i], i);
	if (a->promised && one_in(3)) {
		a->promised--;
		start_run(a, a->promised_host);
	}
	if (!a->runs)
		return;
	k = (int)chance((uint32_t)a->runs);
	if (process_lives(&a->r[k].p))
		run_event(t, a, &a->r[k], k);
	else if (a->r[k].user)
		orphan_event(&a->r[k]);
}

static void late_event(void)
{
	struct late *l = &m->late[chance(LATE)];
	struct tree *t = &m->t[l->job];

	if (!l->attempt)
		return;
	trace("  late: verb %d of job %d attempt %d", (int)l->verb, l->job + 1, l->attempt);
	if (l->verb == VERB_LAUNCH)
		effect_launch(t, l->attempt, l->host);
	else if (l->verb == VERB_FENCE)
		effect_fence(t, l->attempt);
	else
		effect_signal(t, l->attempt, l->host, l->verb == VERB_KILL);
	l->attempt = 0;
}

void cluster_events(int n)
{
	while (n-- > 0) {
		m->n.events++;
		if (one_in(6))
			late_event();
		for (int i = 0; i < JOBS; i++)
			for (int k = 0; k < ATTEMPTS && m->t[i].a[k].token[0]; k++)
				if (!one_in(4))
					attempt_event(&m->t[i], &m->t[i].a[k]);
	}
}

void cluster_advance(int64_t ms)
{
	m->now_ms += ms;
	cluster_events(ms < 60000 ? (int)chance(3) : 1 + (int)chance(6));
	for (int i = 0; i < JOBS; i++)
		for (int k = 0; k < ATTEMPTS && m->t[i].a[k].token[0]; k++) {
			struct attempt_sim *a = &m->t[i].a[k];
			if (a->claimed && a->f.dir && a->r[a->winner].stage == R_USER && process_lives(&a->r[a->winner].p))
				a->f.beat += ms / 60000 + 1;
		}
}

/* What was sent to this host and not done yet dies with it. */
static void reboot(int host)
{
	m->boot[host]++;
	memset(m->pids[host], 0, sizeof m->pids[host]);
	for (int i = 0; i < LATE; i++)
		if (m->late[i].host == host)
			m->late[i].attempt = 0;
	for (int i = 0; i < JOBS; i++)
		for (int k = 0; k < ATTEMPTS; k++) {
			struct attempt_sim *a = &m->t[i].a[k];
			if (a->promised_host == host)
				a->promised = 0;
			for (int r = 0; r < a->runs; r++)
				a->r[r].user &= a->r[r].p.host != host;
		}
}

/* Everything below JOB_ID; what was on its way to it finds nothing. */
static void delete_tree(struct tree *t)
{
	t->there = false;
	t->deleted = true;
	t->marker = OBS_MARKER_NONE;
	for (int k = 0; k < ATTEMPTS; k++)
		t->a[k].f = (struct files){ .launch = -1, .rc = -1, .exit = -1, .beat = -1 };
	for (int i = 0; i < LATE; i++)
		if (&m->t[m->late[i].job] == t)
			m->late[i].attempt = 0;
}

static void kill_worker(struct attempt_sim *a)
{
	struct worker *w = a->workers ? &a->w[chance((uint32_t)a->workers)] : NULL;

	if (!w || !process_lives(&w->p))
		return;
	fault("a worker is killed in stage %d", w->stage);
	process_end(&w->p);
	if (w->stage == W_CALLING && one_in(2)) { /* gpu-run lives on */
		a->promised = 1;
		a->promised_host = w->p.host;
	}
}

static void kill_run(struct attempt_sim *a)
{
	struct run *r = a->runs ? &a->r[chance((uint32_t)a->runs)] : NULL;

	if (!r || !process_lives(&r->p))
		return;
	if (r->user && one_in(2))
		r->user = false;
	r->left += (int)chance(30);
	fault("run.sh is killed in stage %d, its program %s", r->stage, r->user ? "lives" : "does not");
	process_end(&r->p);
}

/* A process of somebody else gets the pid of one that has ended. */
static void reuse_pid(struct attempt_sim *a)
{
	struct process *p = a->runs ? &a->r[0].p : a->workers ? &a->w[0].p : NULL;

	if (!p || m->pids[p->host][p->pid])
		return;
	fault("pid %d is reused", p->pid);
	m->pids[p->host][p->pid] = ++m->ticks;
}

static void step_clock(int64_t *off_ms, bool *stepped, const char *whose)
{
	static const int64_t steps[] = { 0, 3600, -3600, 86400, -86400, 8 * 86400, -8 * 86400, 3650LL * 86400, -3650LL * 86400 };
	int64_t to = 1000 * steps[chance(sizeof steps / sizeof *steps)];

	if (to == *off_ms)
		return;
	fault("%s clock goes by %lld s", whose, (long long)(to - *off_ms) / 1000);
	*off_ms = to;
	*stepped = true;
}

static void fault_of_job(struct tree *t, struct attempt_sim *a)
{
	switch (chance(9)) {
	case 0: case 1:
		kill_worker(a);
		break;
	case 2: case 3:
		kill_run(a);
		break;
	case 4:
		reuse_pid(a);
		break;
	case 5: case 6: case 7:
		lists_old(t, (int)chance(HOSTS));
		fault("host %d lists old directories of %s", t->stale_host, t->job_id);
		break;
	case 8:
		if (!t->there || !one_in(3))
			break;
		fault("the tree %s is deleted", t->job_id);
		delete_tree(t);
		break;
	}
}

static void fault_of_cluster(void)
{
	int host = (int)chance(HOSTS);

	switch (chance(7)) {
	case 0:
		fault("host %d is rebooted", host);
		reboot(host);
		break;
	case 1:
		m->down_until_ms = m->now_ms + 1000 * (int64_t)chance(7200);
		trace("unreachable for a while");
		break;
	case 2:
		step_clock(&m->ours_off_ms, &m->ours_stepped, "the client's");
		break;
	case 3:
		step_clock(&m->theirs_off_ms, &m->theirs_stepped, "the cluster's");
		break;
	case 4:
		m->disk_full = !m->disk_full && one_in(2);
		if (m->disk_full)
			fault("the disk is full");
		break;
	case 5:
		m->no_launcher = !m->no_launcher && one_in(3);
		break;
	case 6:
		m->host = host;
		trace("host %d answers", host);
		break;
	}
}

void cluster_fault(void)
{
	struct tree *t = &m->t[chance(JOBS)];
	int n = 0;

	while (n < ATTEMPTS && t->a[n].token[0])
		n++;
	if (n && !one_in(3))
		fault_of_job(t, &t->a[one_in(4) ? (int)chance((uint32_t)n) : n - 1]);
	else
		fault_of_cluster();
}

/* launch.sh */
void effect_launch(struct tree *t, int n, int host)
{
	struct attempt_sim *a = &t->a[n - 1];

	if (!t->there || m->disk_full)
		return;
	a->f.dir = true;
	if (a->f.launch >= 0 || a->workers == WORKERS)
		return;
	a->f.stub = true;
	a->w[a->workers] = (struct worker){ .stage = W_SPAWNED };
	process_start(&a->w[a->workers++].p, host);
}

/* fence.sh */
enum answer effect_fence(struct tree *t, int n)
{
	struct attempt_sim *a = &t->a[n - 1];

	if (!t->there || m->disk_full)
		return ANSWER_UNKNOWN;
	a->f.dir = true;
	if (a->f.go == OBS_CLAIM_NONE)
		a->f.go = OBS_CLAIM_FENCE;
	a->fenced |= a->f.go == OBS_CLAIM_FENCE;
	return a->f.go == OBS_CLAIM_FENCE ? ANSWER_YES : ANSWER_NO;
}

/* All that carries the token on this host: gpu-run and its worker, run.sh, its program. */
static enum answer signal_all(struct attempt_sim *a, int host, bool kill)
{
	enum answer hit = ANSWER_NO;

	if (a->promised && a->promised_host == host) {
		a->promised = 0;
		hit = ANSWER_YES;
	}
	for (int i = 0; i < a->workers; i++)
		if (a->w[i].p.host == host && a->w[i].stage == W_CALLING && process_lives(&a->w[i].p)) {
			process_end(&a->w[i].p);
			hit = ANSWER_YES;
		}
	for (int i = 0; i < a->runs; i++) {
		struct run *r = &a->r[i];
		if (r->p.host != host || (!r->user && !process_lives(&r->p)))
			continue;
		hit = ANSWER_YES;
		if (kill || r->stage <= R_CLAIMED) /* before its traps are set */
			process_end(&r->p);
		if (kill)
			r->user = false;
		else
			r->term |= r->stage == R_USER;
	}
	return hit;
}

/* cancel.sh */
enum answer effect_signal(struct tree *t, int n, int host, bool kill)
{
	struct attempt_sim *a = &t->a[n - 1];
	struct run *r = &a->r[a->winner];

	if (a->f.go == OBS_CLAIM_RUN) {
		if (r->p.host != host)
			return ANSWER_UNKNOWN;
		if (r->p.boot != m->boot[host])
			return ANSWER_NO;
		if (!kill && process_lives(&r->p)) {
			if (r->stage == R_CLAIMED)
				process_end(&r->p);
			r->term |= r->stage == R_USER;
			return ANSWER_YES;
		}
	}
	return signal_all(a, host, kill);
}
