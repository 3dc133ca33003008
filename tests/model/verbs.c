/* What kedge asks of the simulated cluster.  A verb is cut before its effect, in the middle, or after; or what was
   asked is done later.  The client hears of none of it. */
#include "model.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/cluster.h"
#include "job/render.h"
#include "stage/stage.h"
#include "util/error.h"
#include "util/strbuf.h"

enum { KILLED = 9 };

static char sites[HOSTS]; /* a connection is the address of the host that answers */

void (*interlude)(void);

void breath(void)
{
	if (m->kill_at && ++m->calls >= m->kill_at) {
		fault("the client is killed at its call %ld", m->calls);
		_exit(KILLED);
	}
}

/* run.sh needs no text here, and sh -n of it is what takes longest in a tick: in place of job/render.c. */
int render_run_sh(const struct cluster *cluster, const struct spec *spec, const char *job_id,
		  const char *template_text, const char *template_name, struct strbuf *out, struct error *err)
{
	(void)cluster, (void)spec, (void)job_id, (void)template_text, (void)template_name, (void)err;
	strbuf_addstr(out, "#!/bin/sh\n");
	return 0;
}

static int host_of(const struct site *site)
{
	return (int)((const char *)site - sites);
}

static bool is_down(void)
{
	return !m->calm && m->now_ms < m->down_until_ms;
}

static struct site *sim_open(const struct cluster *cluster, struct error *err)
{
	breath();
	if (is_down()) {
		fault("'%s' is not reached", cluster->name);
		error_set(err, one_in(2) ? ERROR_NETWORK : ERROR_TIMEOUT, "cluster '%s': cannot connect", cluster->name);
		return NULL;
	}
	if (!m->calm && one_in(4))
		m->host = (int)chance(HOSTS);
	return (struct site *)&sites[m->host];
}

static void sim_close(struct site *site)
{
	(void)site;
}

enum cut { CUT_NOT, CUT_BEFORE, CUT_MIDDLE, CUT_AFTER, CUT_LATE };

static enum cut plan_cut(const char *verb)
{
	static const char *const how[] = { "", "before", "in the middle", "after", "and done later" };
	enum cut cut = m->calm || !one_in(7) ? CUT_NOT : (enum cut)(1 + chance(4));

	if (interlude && !m->in_interlude && !m->kill_at)
		interlude();
	if (is_down())
		cut = CUT_BEFORE;
	if (cut)
		fault("%s is cut %s", verb, how[cut]);
	return cut;
}

static int cut_error(struct error *err)
{
	static const enum error_kind kinds[] = { ERROR_NETWORK, ERROR_TIMEOUT, ERROR_PROTOCOL };

	return error_set(err, kinds[chance(3)], "the connection was cut");
}

static int sim_stage(struct site *site, struct stage_job *jobs, size_t n, struct error *err)
{
	enum cut cut = plan_cut("stage");

	(void)site;
	for (size_t i = 0; i < n; i++) {
		struct tree *t = cluster_tree(jobs[i].job_id);
		breath();
		if (cut == CUT_BEFORE || (cut == CUT_MIDDLE && i == n / 2))
			return cut_error(err);
		if (!m->calm && !t->there && (m->disk_full || one_in(40))) {
			fault("a job cannot be staged");
			error_set(&jobs[i].error, one_in(2) ? ERROR_NO_SPACE : ERROR_NETWORK, "it could not be staged");
			continue;
		}
		t->there = true;
		breath();
		if (cut == CUT_AFTER || cut == CUT_LATE)
			continue;
		jobs[i].done = true;
		strcpy(jobs[i].verified_by, "model");
	}
	return cut ? cut_error(err) : 0;
}

static void do_later(enum verb verb, const struct launch_job *job, int host)
{
	struct late *l = &m->late[chance(LATE)];

	*l = (struct late){ verb, (int)(cluster_tree(job->job_id) - m->t), job->attempt, host };
}

static enum answer effect(enum verb verb, const struct launch_job *job, int host)
{
	struct tree *t = cluster_tree(job->job_id);

	if (verb == VERB_LAUNCH)
		effect_launch(t, job->attempt, host);
	else if (verb == VERB_FENCE)
		return effect_fence(t, job->attempt);
	else
		return effect_signal(t, job->attempt, host, verb == VERB_KILL);
	return ANSWER_YES;
}

/* The effect of a verb on each job; the answers, where the connection holds. */
static int act(enum verb verb, struct site *site, struct launch_job *jobs, size_t n, enum answer *answers, struct error *err)
{
	static const char *const names[] = { "launch", "fence", "TERM", "KILL" };
	enum cut cut = plan_cut(names[verb]);

	for (size_t i = 0; i < n; i++) {
		trace("  %s %s attempt %d", names[verb], jobs[i].job_id, jobs[i].attempt);
		cluster_attempt(&jobs[i]);
		if (m->kill_at && m->calls + 1 >= m->kill_at && one_in(3))
			do_later(verb, &jobs[i], host_of(site)); /* it was sent before the client died */
		breath();
		if (cut == CUT_BEFORE || (cut == CUT_MIDDLE && i == n / 2))
			return cut_error(err);
		if (cut == CUT_LATE)
			do_later(verb, &jobs[i], host_of(site));
		else
			answers[i] = effect(verb, &jobs[i], host_of(site));
		if (!m->calm && one_in(40)) {
			fault("a %s cannot tell", names[verb]);
			answers[i] = ANSWER_UNKNOWN;
		}
		breath();
	}
	return cut ? cut_error(err) : 0;
}

/* --- the look --- */

/* What a host's file server shows of a directory: of each file, the old or the present. */
static struct files files_as_shown(const struct tree *t, const struct attempt_sim *a, int host)
{
	struct files f = a->f;

	if (m->calm || t->stale_host != host || m->now_ms >= t->stale_until_ms)
		return f;
	if (one_in(2))
		return a->old;
	if (one_in(2))
		f.launch = a->old.launch;
	if (one_in(2))
		f.rc = a->old.rc;
	if (one_in(2))
		f.go = a->old.go;
	if (one_in(2))
		f.exit = a->old.exit;
	if (one_in(2))
		f.beat = a->old.beat;
	return f;
}

static bool cannot_be_read(void)
{
	return !m->calm && one_in(30);
}

static enum obs_process judge(const struct process *p, int host)
{
	if (p->host != host)
		return OBS_PROC_ELSEWHERE;
	if (cannot_be_read())
		return OBS_PROC_UNKNOWN;
	if (p->boot != m->boot[host])
		return OBS_PROC_REBOOTED;
	return process_lives(p) ? OBS_PROC_ALIVE : OBS_PROC_DEAD;
}

static void see_marker(struct tree *t, int n, int host, struct observation *o)
{
	const struct attempt_sim *a = &t->a[n - 1];
	enum obs_marker marker = t->marker;

	if (!m->calm && t->stale_host == host && m->now_ms < t->stale_until_ms && one_in(2))
		marker = t->old_marker;
	if (!marker || t->marker != marker || t->marker_attempt != n || (!m->calm && m->now_ms < t->marker_from_ms))
		return;
	o->marker = cannot_be_read() ? OBS_MARKER_PENDING : marker;
	if (o->marker == OBS_MARKER_PENDING) {
		t->hidden = true;
		return;
	}
	o->exit_code = a->code;
	o->signal = a->signal;
	o->ended_ms = a->ended_ms;
	strcpy(o->reason, a->signal ? "signal" : a->timeout ? "timeout" : "exit");
}

static void see_go(const struct attempt_sim *a, int host, const struct files *f, struct observation *o)
{
	const struct process *p = &a->r[a->winner].p;

	o->go = f->go && cannot_be_read() ? OBS_CLAIM_PENDING : f->go;
	if (o->go == OBS_CLAIM_RUN) {
		o->proc = judge(p, host);
		snprintf(o->host, sizeof o->host, "login%d", p->host);
		snprintf(o->boot, sizeof o->boot, "boot-%d", p->boot);
		o->pid = p->pid;
		o->start = p->start;
		o->started_ms = a->began_ms;
	}
	if (o->marker != OBS_MARKER_NONE && o->marker != OBS_MARKER_PENDING)
		return;
	if (o->proc != OBS_PROC_DEAD && o->go != OBS_CLAIM_NONE && o->go != OBS_CLAIM_PENDING)
		return;
	o->proc = cannot_be_read() ? OBS_PROC_UNKNOWN : attempt_lives(a, host) ? OBS_PROC_ORPHANED : OBS_PROC_DEAD;
}

static void see(struct launch_job *job, int host)
{
	const struct attempt_sim *a = cluster_attempt(job);
	struct tree *t = cluster_tree(job->job_id);
	struct files f = files_as_shown(t, a, host);
	struct observation *o = &job->seen;

	*o = (struct observation){ .tree = t->there ? OBS_TREE_THERE : OBS_TREE_GONE, .launch_rc = OBS_RC_NONE,
				   .exit_rc = OBS_RC_NONE, .exit_code = -1, .heartbeat = -1 };
	snprintf(o->by, sizeof o->by, "login%d", host);
	if (!t->there || !a->f.dir)
		f = (struct files){ .launch = -1, .rc = -1, .exit = -1, .beat = -1 };
	if (t->there)
		see_marker(t, job->attempt, host, o);
	see_go(a, host, &f, o);
	if (f.launch >= 0) {
		o->launch = cannot_be_read() ? OBS_CLAIM_PENDING : OBS_CLAIM_RUN;
		if (o->launch == OBS_CLAIM_RUN)
			o->worker = judge(&a->w[f.launch].p, host);
	}
	if (f.rc >= 0)
		o->launch_rc = cannot_be_read() ? OBS_RC_PENDING : f.rc;
	if (f.exit >= 0)
		o->exit_rc = cannot_be_read() ? OBS_RC_PENDING : f.exit;
	t->hidden |= o->exit_rc == OBS_RC_PENDING;
	o->heartbeat = f.beat;
	if (o->launch_rc > 0)
		strcpy(o->launch_err, "the model says no");
	trace("    %s/%d by %d: tree %d go %d launch %d rc %d proc %d worker %d marker %d exit %d", job->job_id, job->attempt, host,
	      (int)o->tree, (int)o->go, (int)o->launch, o->launch_rc, (int)o->proc, (int)o->worker, (int)o->marker, o->exit_rc);
}

static int sim_look(struct site *site, struct launch_job *jobs, size_t n, struct launch_facts *facts, struct error *err)
{
	enum cut cut = plan_cut("look");
	int host = host_of(site);

	breath();
	if (cut)
		return cut_error(err);
	*facts = (struct launch_facts){ .now_ms = (m->now_ms + m->theirs_off_ms) / 1000 * 1000, .gpus_free = -1,
					.bytes_free = -1 };
	for (size_t i = 0; i < n; i++)
		see(&jobs[i], host);
	breath();
	return 0;
}

static int sim_launch(struct site *site, struct launch_job *jobs, size_t n, struct error *err)
{
	enum answer answers[JOBS] = { 0 };

	if (!m->calm && m->no_launcher && !is_down()) {
		fault("there is no gpu-run");
		return error_set(err, ERROR_LAUNCH, "no gpu-run");
	}
	if (act(VERB_LAUNCH, site, jobs, n, answers, err))
		return -1;
	cluster_events((int)chance(8)); /* launch.sh waits a moment */
	for (size_t i = 0; i < n; i++)
		see(&jobs[i], host_of(site));
	breath();
	return 0;
}

static int sim_fence(struct site *site, struct launch_job *jobs, size_t n, struct error *err)
{
	enum answer answers[JOBS] = { 0 };

	if (act(VERB_FENCE, site, jobs, n, answers, err))
		return -1;
	for (size_t i = 0; i < n; i++)
		jobs[i].fenced = answers[i];
	return 0;
}

static int sim_cancel(struct site *site, struct launch_job *jobs, size_t n, enum launch_signal how, struct error *err)
{
	enum answer answers[JOBS] = { 0 };

	if (act(how == LAUNCH_KILL ? VERB_KILL : VERB_TERM, site, jobs, n, answers, err))
		return -1;
	for (size_t i = 0; i < n; i++)
		jobs[i].signalled = answers[i];
	return 0;
}

static const struct launcher sim_launcher_methods = {
	.name = "gpu-run", .launch = sim_launch, .look = sim_look, .fence = sim_fence, .cancel = sim_cancel,
};

static const struct launcher *sim_launcher(const char *name)
{
	(void)name;
	return &sim_launcher_methods;
}

const struct reach sim_reach = { .open = sim_open, .close = sim_close, .stage = sim_stage, .launcher = sim_launcher };
