#include "job/haul.h"

#include <stdlib.h>
#include <string.h>

#include "config/cluster.h"
#include "job/reach.h"
#include "stage/fetch.h"
#include "stage/site.h"
#include "store/job.h"
#include "store/transfer.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/vis.h"

/* What failed, by its first file; a file that arrived altered comes before the others. */
static int judge(const struct fetch *f, const struct job *job, struct error *err)
{
	const struct fetch_file *worst = NULL;
	size_t failed = 0;
	char *shown;

	for (size_t i = 0; i < f->n; i++) {
		const struct fetch_file *file = &f->v[i];

		if (file->state != FETCH_FAILED && file->state != FETCH_WRITING)
			continue;
		failed++;
		if (!worst || (worst->kind != ERROR_CHECKSUM && file->kind == ERROR_CHECKSUM))
			worst = file;
	}
	if (!worst)
		return f->incomplete ? error_set(err, ERROR_JOB, "job %lld: not all could be looked at: %s", (long long)job->number, f->incomplete)
				     : 0;
	shown = vis_head(worst->entry->path, VIS_PATH);
	if (failed > 1)
		error_set(err, ERROR_JOB, "job %lld: %zu files could not be had, '%s': %s", (long long)job->number, failed, shown,
			  worst->why ? worst->why : "it is still being written");
	else
		error_set(err, ERROR_JOB, "job %lld: '%s': %s", (long long)job->number, shown,
			  worst->why ? worst->why : "it is still being written");
	if (err && worst->kind == ERROR_CHECKSUM)
		err->kind = ERROR_CHECKSUM;
	free(shown);
	return -1;
}

static int record(struct store *store, const struct job *job, const struct fetch *f, int64_t began_ms, int64_t took_ms, const char *why,
		  struct error *err)
{
	struct transfer t = {
		.job = job->number,
		.attempt = job->attempt,
		.direction = "down",
		.what = "results",
		.files = f->files,
		.bytes = f->bytes,
		.began_ms = began_ms,
		.took_ms = took_ms,
		.verified_by = *f->verified_by ? f->verified_by : NULL,
		.error = why,
	};

	return transfer_insert(store, &t, err);
}

int haul_job(struct store *store, const struct cluster *cluster, const struct job *job, struct fetch *f, struct error *err)
{
	struct site *site = reach_open(&reach_real, store, cluster, true, err);
	int64_t began_ms = clock_wall_ms(), began = clock_boot_ms();
	struct error why = { 0 }, unwritten = { 0 };
	int rc;

	if (!site)
		return -1;
	f->job_id = job->job_id;
	rc = fetch_run(site, f, &why);
	site_close(site);
	reach_told(store, cluster, &why);
	if (rc == 0)
		rc = judge(f, job, &why);
	if (!f->dry_run && record(store, job, f, began_ms, clock_boot_ms() - began, rc ? why.text : NULL, &unwritten) != 0 && rc == 0) {
		why = unwritten;
		rc = -1;
	}
	if (rc != 0 && err)
		*err = why;
	return rc;
}
