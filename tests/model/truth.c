/* What must be true.  Nothing here knows how kedge decides: rows and events are held against what really happened. */
#include "model.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "job/state.h"
#include "store/attempt.h"
#include "store/event.h"
#include "store/job.h"
#include "store/sqlutil.h"
#include "store/store.h"
#include "util/error.h"

/* The history as far as it was read: what was read once stays. */
static struct {
	int64_t seq;
	char hash[65];
	enum job_state state[JOBS + 1];
} known;

static enum job_state state_of(struct sql *q, int column)
{
	if (sql_is_null(q, column))
		return JOB_NONE;
	return (enum job_state)strtab_value(job_states, sql_get_text(q, column), JOB_NONE);
}

static void new_event(struct sql *q)
{
	int64_t seq = sql_get_int(q, 0), job = sql_get_int(q, 1);
	enum job_state from = state_of(q, 3), to = state_of(q, 4);

	hold(seq == known.seq + 1, "I5 event %lld comes after %lld", (long long)seq, (long long)known.seq);
	hold(!strcmp(sql_get_text(q, 5), known.hash), "I5 event %lld does not follow the hash before it", (long long)seq);
	if (job < 1 || job > JOBS) {
		hold(false, "I5 event %lld is of job %lld", (long long)seq, (long long)job);
		return;
	}
	hold(from == known.state[job] && to == state_after(from, sql_get_text(q, 2)) && to != JOB_NONE,
	     "I5 event %lld, '%s' of job %lld, leads from %d to %d; it was %d", (long long)seq, sql_get_text(q, 2),
	     (long long)job, (int)from, (int)to, (int)known.state[job]);
	trace("  event %lld: job %lld %s", (long long)seq, (long long)job, sql_get_text(q, 2));
	known.state[job] = to;
	known.seq = seq;
	snprintf(known.hash, sizeof known.hash, "%s", sql_get_text(q, 6));
}

/* I5: append-only, gap-free, and each follows from the one before. */
static void check_history(struct store *store)
{
	struct error err = { 0 };
	struct sql q;
	bool first = known.seq > 0;
	int rc;

	sql_begin(&q, store->db, "SELECT seq, job, name, state_from, state_to, prev_hash, hash FROM event "
				 "WHERE seq >= ?1 ORDER BY seq");
	sql_int(&q, 1, known.seq);
	while ((rc = sql_step(&q, &err)) > 0) {
		if (!first)
			new_event(&q);
		else
			hold(sql_get_int(&q, 0) == known.seq && !strcmp(sql_get_text(&q, 6), known.hash),
			     "I5 event %lld was changed or removed", (long long)known.seq);
		first = false;
	}
	sql_end(&q);
	hold(rc == 0 && !first, "I5 the history can be read: %s", err.text);
}

static bool run_may_begin(const struct attempt_sim *a)
{
	for (int i = 0; i < a->runs; i++)
		if (a->r[i].stage <= R_CLAIMED && process_lives(&a->r[i].p))
			return true;
	return false;
}

/* Neither does user code of it live, nor can it start any more. */
static bool is_over(const struct attempt_sim *a)
{
	if (user_code_lives(a))
		return false;
	if (a->fenced)
		return true;
	return a->claimed && !(a->starts == 0 && run_may_begin(a));
}

static bool was_accepted(const struct attempt_sim *a)
{
	for (int i = 0; i < a->workers; i++)
		if (a->w[i].stage >= W_ANSWERED && a->w[i].rc == 0)
			return true;
	return false;
}

/* A row says only what is so.  Whoever deletes a tree takes the means to know. */
static void check_row(const struct job *row, const struct tree *t, const struct attempt_sim *a)
{
	const char *reason = row->reason ? row->reason : "";
	long long n = row->number;

	switch (row->state) {
	case JOB_PENDING:
	case JOB_STAGING:
	case JOB_HELD:
		hold(!a || is_over(a) || t->deleted, "I2 job %lld is to be tried again, its attempt %d may still run", n, row->attempt);
		break;
	case JOB_QUEUED:
		hold(a && was_accepted(a), "job %lld is QUEUED and no launcher has it", n);
		break;
	case JOB_RUNNING:
		hold(a && a->claimed, "job %lld is RUNNING and never began", n);
		break;
	case JOB_SUCCEEDED:
		hold(a && a->recorded && a->code == 0, "I4 job %lld is SUCCEEDED without a record that says so", n);
		break;
	case JOB_FAILED:
		if (!strcmp(reason, "launch"))
			hold(a && a->refused && a->fenced && !a->starts, "I4 job %lld is FAILED (launch) without a refusal", n);
		else
			hold(a && a->recorded && a->code == row->exit_code && a->code > 0,
			     "I4 job %lld is FAILED (%s, %d) without a record that says so", n, reason, row->exit_code);
		break;
	case JOB_CANCELLED:
		hold(!a || is_over(a) || t->deleted, "job %lld is CANCELLED and may still run", n);
		hold(row->cancel_ms != 0, "job %lld is CANCELLED and nobody asked for it", n);
		break;
	case JOB_LOST:
		hold(a && (is_over(a) || t->deleted), "job %lld is LOST (%s) and lives", n, reason);
		hold(!a || !a->recorded || t->hidden || t->deleted || (m->ours_stepped && m->theirs_stepped),
		     "job %lld is LOST (%s) and has told how it ended", n, reason);
		break;
	default:
		break;
	}
}

static int submitted(void)
{
	int n = 0;

	while (n < JOBS && m->t[n].job_id[0])
		n++;
	return n;
}

/* The rows as they were read last; read again when somebody wrote. */
static struct {
	int64_t version, changes;
	struct jobs jobs;
	struct attempts attempts[JOBS];
} rows;

static void forget_rows(void)
{
	jobs_release(&rows.jobs);
	for (int i = 0; i < JOBS; i++)
		attempts_release(&rows.attempts[i]);
	memset(&rows, 0, sizeof rows);
}

void truth_new(void)
{
	forget_rows();
	memset(&known, 0, sizeof known);
	strcpy(known.hash, "0000000000000000000000000000000000000000000000000000000000000000");
}

/* false: nobody wrote since. */
static bool read_rows(struct store *store)
{
	struct error err = { 0 };
	int64_t version = -1, changes = sqlite3_total_changes(store->db);

	hold(!sql_scalar(store->db, "PRAGMA data_version", &version, &err), "the database is read: %s", err.text);
	if (version == rows.version && changes == rows.changes)
		return false;
	forget_rows();
	rows.version = version;
	rows.changes = changes;
	hold(!job_list(store, NULL, &rows.jobs, &err), "the jobs can be listed: %s", err.text);
	hold(rows.jobs.n == (size_t)submitted(), "I3 %zu of %d jobs are in the database", rows.jobs.n, submitted());
	for (size_t i = 0; i < rows.jobs.n && i < JOBS; i++)
		hold(!attempt_list(store, rows.jobs.v[i].number, &rows.attempts[i], &err), "attempts can be listed: %s", err.text);
	return true;
}

static void check_attempts(const struct job *row, const struct attempts *as, const struct tree *t)
{
	hold(as->n == (size_t)row->attempt, "job %lld has %zu attempts, its row says %d", (long long)row->number, as->n,
	     row->attempt);
	for (size_t i = 0; i < as->n && i < ATTEMPTS; i++) {
		const struct attempt_sim *a = &t->a[i];
		if (a->token[0])
			hold(!strcmp(a->token, as->v[i].token), "attempt %zu has another token on the cluster", i + 1);
		if (i + 1 < as->n)
			hold(as->v[i].outcome && is_over(a), "I2 attempt %zu follows one that is not over", i + 2);
	}
	hold(as->n >= ATTEMPTS || !t->a[as->n].token[0], "attempt %zu of job %lld was launched and is not in the database",
	     as->n + 1, (long long)row->number);
}

void truth_check(struct store *store)
{
	if (read_rows(store))
		check_history(store);
	for (size_t i = 0; i < rows.jobs.n && i < JOBS; i++) {
		const struct job *row = &rows.jobs.v[i];
		const struct tree *t = &m->t[i];
		hold(row->state == known.state[row->number], "I5 replaying gives %d for job %lld, its row says %d",
		     (int)known.state[row->number], (long long)row->number, (int)row->state);
		check_attempts(row, &rows.attempts[i], t);
		check_row(row, t, row->attempt ? &t->a[(row->attempt - 1) % ATTEMPTS] : NULL);
	}
}

bool truth_at_rest(void)
{
	for (size_t i = 0; i < rows.jobs.n; i++)
		if (!job_state_is_over(rows.jobs.v[i].state) && rows.jobs.v[i].state != JOB_HELD)
			return false;
	return true;
}

/* I7, the hashes, and that everything has come to an end. */
void truth_converged(struct store *store)
{
	struct error err = { 0 };
	struct events evs = { 0 };
	struct sql q;
	char hex[65];

	sql_begin(&q, store->db, "PRAGMA integrity_check");
	hold(sql_step(&q, &err) > 0 && !strcmp(sql_get_text(&q, 0), "ok"), "I7 the database is whole: %s", err.text);
	sql_end(&q);
	hold(!event_list(store, 0, &evs, &err), "I5 %s", err.text);
	for (size_t i = 0; i < evs.n; i++) {
		event_hash(&evs.v[i], hex);
		hold(!strcmp(hex, evs.v[i].hash), "I5 the hash of event %lld", (long long)evs.v[i].seq);
	}
	events_release(&evs);
	for (size_t i = 0; i < rows.jobs.n; i++) {
		m->n.ended[rows.jobs.v[i].state]++;
		hold(job_state_is_over(rows.jobs.v[i].state) || rows.jobs.v[i].state == JOB_HELD,
		     "job %lld has not come to an end: %s", (long long)rows.jobs.v[i].number,
		     strtab_word(job_states, (int)rows.jobs.v[i].state));
	}
}
