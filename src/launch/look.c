/*
 * The reply of remote/look_lib.sh, whose head comment is its grammar.  A table of fields, each with
 * its rule; what breaks a rule breaks the whole reply.
 */
#include "launch/look.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "config/cluster.h"
#include "launch/fields.h"
#include "stage/site.h"
#include "template/builtin.h"
#include "util/strbuf.h"
#include "util/strtab.h"
#include "util/vars.h"

enum { LOOK_MAX_FIELDS = 26 };

static const struct strtab trees[] = {
	{ OBS_TREE_GONE, "gone" }, { OBS_TREE_THERE, "there" }, { 0, NULL },
};
static const struct strtab gos[] = {
	{ OBS_CLAIM_NONE, "-" }, { OBS_CLAIM_RUN, "run" }, { OBS_CLAIM_FENCE, "fence" },
	{ OBS_CLAIM_PENDING, "?" }, { 0, NULL },
};
static const struct strtab launches[] = {
	{ OBS_CLAIM_NONE, "-" }, { OBS_CLAIM_RUN, "worker" }, { OBS_CLAIM_PENDING, "?" }, { 0, NULL },
};
static const struct strtab procs[] = {
	{ OBS_PROC_NONE, "-" }, { OBS_PROC_ALIVE, "alive" }, { OBS_PROC_ORPHANED, "orphaned" },
	{ OBS_PROC_DEAD, "dead" }, { OBS_PROC_REBOOTED, "rebooted" }, { OBS_PROC_ELSEWHERE, "elsewhere" },
	{ OBS_PROC_UNKNOWN, "unknown" }, { 0, NULL },
};
static const struct strtab markers[] = {
	{ OBS_MARKER_NONE, "-" }, { OBS_MARKER_SUCCESS, "S" }, { OBS_MARKER_FAILED, "F" },
	{ OBS_MARKER_PENDING, "?" }, { 0, NULL },
};

/* Foreign text: %20 and %25 undone, cut to fit; "-" is none. */
static bool parse_text(const char *s, char *out, size_t size)
{
	size_t n = 0;

	if (!strcmp(s, "-")) {
		*out = 0;
		return true;
	}
	while (*s && n + 1 < size) {
		if (*s == '%') {
			if (strncmp(s, "%20", 3) && strncmp(s, "%25", 3))
				return false;
			out[n++] = s[2] == '0' ? ' ' : '%';
			s += 3;
		} else {
			out[n++] = *s++;
		}
	}
	while (n && out[n - 1] == ' ')
		n--;
	out[n] = 0;
	return true;
}

static bool parse_header(char **f, size_t n, struct launch_facts *facts)
{
	int64_t now, free_kib;

	if (n != 5 || !fields_plain(f[1], "._-", facts->host, sizeof facts->host) ||
	    !fields_plain(f[2], "-", facts->boot, sizeof facts->boot) ||
	    !fields_number(f[3], INT64_MAX / 1000, &now) || !fields_optional(f[4], INT64_MAX / 1024, -1, &free_kib))
		return false;
	facts->now_ms = now * 1000;
	facts->bytes_free = free_kib < 0 ? -1 : free_kib * 1024;
	facts->gpus_free = -1;
	return true;
}

static bool parse_claims(char **f, struct observation *o)
{
	int tree, go, launch, proc, worker;

	if (!fields_word(trees, f[3], &tree) || !fields_word(gos, f[4], &go) || !fields_word(launches, f[5], &launch) ||
	    !fields_word(procs, f[6], &proc) || !fields_word(procs, f[7], &worker))
		return false;
	o->tree = (enum obs_tree)tree;
	o->go = (enum obs_claim)go;
	o->launch = (enum obs_claim)launch;
	o->proc = (enum obs_process)proc;
	o->worker = (enum obs_process)worker;
	if (!fields_plain(f[8], "._-", o->host, sizeof o->host) || !fields_plain(f[9], "-", o->boot, sizeof o->boot) ||
	    !fields_optional(f[10], INT32_MAX, 0, &o->pid) || !fields_optional(f[11], INT64_MAX, 0, &o->start) ||
	    !fields_optional(f[12], INT32_MAX, 0, &o->sid) || !fields_time(f[13], &o->started_ms))
		return false;
	return fields_plain(f[14], "._,:/?-", o->gpus, sizeof o->gpus);
}

static bool parse_results(char **f, struct observation *o)
{
	int marker;
	int64_t code, sig;

	if (!fields_status(f[15], &o->launch_rc) || !fields_word(markers, f[16], &marker) ||
	    !fields_plain(f[17], "_-", o->reason, sizeof o->reason) || !fields_optional(f[18], 255, -1, &code) ||
	    !fields_optional(f[19], 255, 0, &sig) || !fields_time(f[20], &o->ended_ms) ||
	    !fields_status(f[21], &o->exit_rc) || !fields_optional(f[22], INT64_MAX, -1, &o->heartbeat))
		return false;
	o->marker = (enum obs_marker)marker;
	o->exit_code = (int)code;
	o->signal = (int)sig;
	return parse_text(f[23], o->launch_err, sizeof o->launch_err) &&
	       parse_text(f[24], o->progress, sizeof o->progress);
}

static struct launch_job *find(struct launch_job *jobs, size_t n, const char *id, const char *attempt)
{
	int64_t no;

	if (!fields_number(attempt, INT_MAX, &no))
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (!strcmp(jobs[i].job_id, id) && jobs[i].attempt == no)
			return &jobs[i];
	return NULL;
}

/* What was read so far. */
struct progress {
	bool header, end;
	size_t jobs;
};

/* One line into its job.  false: not of the grammar. */
static bool parse_line(char *line, struct launch_job *jobs, size_t n, struct launch_facts *facts, struct progress *p)
{
	char *f[LOOK_MAX_FIELDS];
	size_t count = fields_split(line, f, LOOK_MAX_FIELDS), hint = p->jobs;
	struct observation o = { 0 };
	int64_t said;

	if (!count || p->end)
		return false;
	if (!strcmp(f[0], "H"))
		return !p->header && (p->header = parse_header(f, count, facts));
	if (!strcmp(f[0], "E"))
		return p->header && count == 2 && fields_number(f[1], INT_MAX, &said) && (size_t)said == p->jobs && (p->end = true);
	if (strcmp(f[0], "J") || count != 25 || !p->header)
		return false;
	p->jobs++;
	struct launch_job *job = hint < n ? find(&jobs[hint], 1, f[1], f[2]) : NULL;
	if (!job)
		job = find(jobs, n, f[1], f[2]);
	if (!job || job->seen.tree != OBS_TREE_UNKNOWN)
		return false; /* not asked, or twice */
	if (!parse_claims(f, &o) || !parse_results(f, &o))
		return false;
	memcpy(o.by, facts->host, sizeof o.by);
	job->seen = o;
	return true;
}

static void forget(struct launch_job *jobs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		jobs[i].seen = (struct observation){ .launch_rc = OBS_RC_NONE, .exit_rc = OBS_RC_NONE, .exit_code = -1,
						     .heartbeat = -1 };
}

int look_parse(const char *reply, size_t len, struct launch_job *jobs, size_t n, struct launch_facts *facts,
	       struct error *err)
{
	struct strbuf copy = STRBUF_INIT;
	struct progress p = { 0 };
	size_t no = 0;
	int rc = -1;

	forget(jobs, n);
	strbuf_add(&copy, reply, len);
	if (memchr(reply, 0, len)) {
		error_set(err, ERROR_PROTOCOL, "the look's reply holds a NUL byte");
		goto out;
	}
	for (char *line = copy.buf, *end; *line; line = end + 1) {
		end = strchr(line, '\n');
		if (!end) {
			error_set(err, ERROR_PROTOCOL, "the look's reply ends inside a line");
			goto out;
		}
		*end = 0;
		if (!parse_line(line, jobs, n, facts, &p)) {
			error_set(err, ERROR_PROTOCOL, "line %zu of the look's reply cannot be read", no + 1);
			goto out;
		}
		no++;
	}
	if (!p.end || p.jobs != n) {
		error_set(err, ERROR_PROTOCOL, "the look's reply tells of %zu of %zu jobs", p.jobs, n);
		goto out;
	}
	rc = 0;
out:
	if (rc)
		forget(jobs, n);
	strbuf_release(&copy);
	return rc;
}

int look_jobs(struct site *site, struct launch_job *jobs, size_t n, struct launch_facts *facts, struct error *err)
{
	struct vars vars = VARS_INIT;
	struct strbuf body = STRBUF_INIT, reply = STRBUF_INIT;
	int status, rc = -1;

	for (size_t i = 0; i < n; i++)
		strbuf_addf(&body, "%s %d %s\n", jobs[i].job_id, jobs[i].attempt, jobs[i].token);
	vars_set(&vars, "look_lib", template_builtin("remote/look_lib.sh"));
	if (site_script(site, "look.sh", &vars, body.buf, 0, &status, &reply, NULL, err))
		goto out;
	if (status == LOOK_NO_ROOT) {
		/* Nothing was ever put there, or a file system is not mounted: no job is judged by that. */
		error_set(err, ERROR_REFUSED, "cannot enter the cluster's root");
		goto out;
	}
	rc = look_parse(reply.buf, reply.len, jobs, n, facts, err);
out:
	if (rc)
		error_wrap(err, "cluster '%s'", site_cluster(site)->name);
	vars_release(&vars);
	strbuf_release(&body);
	strbuf_release(&reply);
	return rc;
}
