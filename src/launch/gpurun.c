/*
 * The gpu-run launcher: `gpu-run --gpus N --memory M -- SCRIPT` on the far side, called by a detached
 * worker (remote/worker.sh).  What it answers is read from files, never from its connection.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/cluster.h"
#include "config/spec.h"
#include "launch/launcher.h"
#include "launch/look.h"
#include "stage/site.h"
#include "template/builtin.h"
#include "template/template.h"
#include "util/strbuf.h"
#include "util/strtab.h"
#include "util/vars.h"
#include "util/xalloc.h"

enum {
	GPURUN_NOT_FOUND = 4, /* status of launch.sh: no such command on the cluster */
	GPURUN_NO_ROOM = 75,  /* EX_TEMPFAIL: gpu-run says "later" */
	MIB = 1 << 20, /* what every gpu-run takes as "NM" */
	GPURUN_WAIT_MS = 5000, /* launch.sh waits this long at most for gpu-run */
};

static void list_jobs(const struct launch_job *jobs, size_t n, struct strbuf *body)
{
	for (size_t i = 0; i < n; i++)
		strbuf_addf(body, "%s %d %s\n", jobs[i].job_id, jobs[i].attempt, jobs[i].token);
}

static int gpurun_probe(struct site *site, struct strbuf *report, struct error *err)
{
	struct vars vars = VARS_INIT;
	int status, rc;

	vars_set(&vars, "gpu_run", site_cluster(site)->gpu_run);
	rc = site_script(site, "probe.sh", &vars, NULL, 0, &status, report, NULL, err);
	vars_release(&vars);
	return rc;
}

/* What a look right after the launch says about the launch itself. */
static void conclude(struct launch_job *job)
{
	const struct observation *o = &job->seen;

	job->outcome = LAUNCH_UNKNOWN;
	job->retry = false;
	job->why[0] = job->handle[0] = 0;
	if (o->go == OBS_CLAIM_RUN || o->launch_rc == 0) {
		job->outcome = LAUNCH_STARTED;
	} else if (o->launch_rc > 0) {
		job->outcome = LAUNCH_REFUSED;
		job->retry = o->launch_rc == GPURUN_NO_ROOM;
		snprintf(job->why, sizeof job->why, "%s", o->launch_err);
	}
	if (o->go == OBS_CLAIM_RUN)
		snprintf(job->handle, sizeof job->handle, "%s %s %lld %lld", o->host, o->boot, (long long)o->pid,
			 (long long)o->start);
}

static int render_worker(const struct cluster *cluster, struct strbuf *out, struct error *err)
{
	struct vars vars = VARS_INIT;
	int rc;

	vars_set(&vars, "gpu_run", cluster->gpu_run);
	rc = template_render("templates/remote/worker.sh", template_builtin("remote/worker.sh"), &vars, out, err);
	vars_release(&vars);
	return rc;
}

static int gpurun_launch(struct site *site, struct launch_job *jobs, size_t n, struct error *err)
{
	const struct cluster *cluster = site_cluster(site);
	struct vars vars = VARS_INIT;
	struct strbuf body = STRBUF_INIT, reply = STRBUF_INIT, worker = STRBUF_INIT;
	struct launch_facts facts;
	int status, rc = -1;

	for (size_t i = 0; i < n; i++)
		strbuf_addf(&body, "%s %d %s %d %lldM\n", jobs[i].job_id, jobs[i].attempt, jobs[i].token,
			    jobs[i].spec->gpus, (long long)((jobs[i].spec->memory + MIB - 1) / MIB));
	if (render_worker(cluster, &worker, err))
		goto out;
	vars_set(&vars, "gpu_run", cluster->gpu_run);
	vars_set(&vars, "worker", worker.buf);
	vars_set(&vars, "look_lib", template_builtin("remote/look_lib.sh"));
	if (site_script(site, "launch.sh", &vars, body.buf, GPURUN_WAIT_MS, &status, &reply, NULL, err)) {
		error_wrap(err, "cluster '%s'", cluster->name);
		goto out;
	}
	if (status == LOOK_NO_ROOT) {
		error_set(err, ERROR_REFUSED, "cannot enter the cluster's root '%s'", cluster->root);
		goto out;
	}
	if (status == GPURUN_NOT_FOUND) {
		error_set(err, ERROR_LAUNCH,
			  "'%s' is not in PATH on the cluster; install it there, or set gpu_run in [cluster %s] to its path",
			  cluster->gpu_run, cluster->name);
		goto out;
	}
	if (look_parse(reply.buf, reply.len, jobs, n, &facts, err)) {
		error_wrap(err, "cluster '%s'", cluster->name);
		goto out;
	}
	for (size_t i = 0; i < n; i++)
		conclude(&jobs[i]);
	rc = 0;
out:
	vars_release(&vars);
	strbuf_release(&body);
	strbuf_release(&reply);
	strbuf_release(&worker);
	return rc;
}

/* Run a script that answers "LETTER JOB_ID N WORD" for every job in order; word[i] from the table. */
static int ask_words(struct site *site, const char *script, const struct vars *vars, char letter,
		     const struct strtab *words, struct launch_job *jobs, size_t n, enum answer *word, struct error *err)
{
	struct strbuf body = STRBUF_INIT, reply = STRBUF_INIT, want = STRBUF_INIT;
	int status, rc = -1;
	char *line;

	list_jobs(jobs, n, &body);
	if (site_script(site, script, vars, body.buf, 0, &status, &reply, NULL, err))
		goto out;
	if (status == LOOK_NO_ROOT) {
		error_set(err, ERROR_REFUSED, "cannot enter the cluster's root");
		goto out;
	}
	line = reply.buf;
	for (size_t i = 0; i < n; i++) {
		char *end = strchr(line, '\n');
		strbuf_reset(&want);
		strbuf_addf(&want, "%c %s %d ", letter, jobs[i].job_id, jobs[i].attempt);
		if (end)
			*end = 0;
		int v = end && !strncmp(line, want.buf, want.len) ? strtab_value(words, line + want.len, 99) : 99;
		if (v == 99) {
			error_set(err, ERROR_PROTOCOL, "line %zu of the reply of %s cannot be read", i + 1, script);
			goto out;
		}
		word[i] = (enum answer)v;
		line = end + 1;
	}
	rc = 0;
out:
	if (rc)
		error_wrap(err, "cluster '%s'", site_cluster(site)->name);
	strbuf_release(&body);
	strbuf_release(&reply);
	strbuf_release(&want);
	return rc;
}

static const struct strtab fence_words[] = {
	{ ANSWER_YES, "won" }, { ANSWER_NO, "lost" }, { ANSWER_UNKNOWN, "gone" }, { ANSWER_UNKNOWN, "unknown" },
	{ 0, NULL },
};

static const struct strtab cancel_words[] = {
	{ ANSWER_YES, "sent" }, { ANSWER_NO, "none" }, { ANSWER_UNKNOWN, "elsewhere" }, { ANSWER_UNKNOWN, "unknown" },
	{ 0, NULL },
};

static int gpurun_fence(struct site *site, struct launch_job *jobs, size_t n, struct error *err)
{
	struct vars vars = VARS_INIT;
	enum answer *word = xcalloc(n, sizeof *word);
	int rc = ask_words(site, "fence.sh", &vars, 'F', fence_words, jobs, n, word, err);

	for (size_t i = 0; !rc && i < n; i++)
		jobs[i].fenced = word[i];
	free(word);
	return rc;
}

static int gpurun_cancel(struct site *site, struct launch_job *jobs, size_t n, enum launch_signal how,
			 struct error *err)
{
	struct vars vars = VARS_INIT;
	enum answer *word = xcalloc(n, sizeof *word);

	vars_set(&vars, "signal", how == LAUNCH_KILL ? "KILL" : "TERM");
	int rc = ask_words(site, "cancel.sh", &vars, 'C', cancel_words, jobs, n, word, err);
	for (size_t i = 0; !rc && i < n; i++)
		jobs[i].signalled = word[i];
	vars_release(&vars);
	free(word);
	return rc;
}

const struct launcher launcher_gpurun = {
	.name = "gpu-run",
	.probe = gpurun_probe,
	.launch = gpurun_launch,
	.look = look_jobs,
	.fence = gpurun_fence,
	.cancel = gpurun_cancel,
};
