#include "job/submit.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/cluster.h"
#include "config/spec.h"
#include "job/render.h"
#include "stage/stage.h"
#include "store/event.h"
#include "store/store.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/id.h"
#include "util/path.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

static int check(const struct cluster *cluster, const struct spec *spec, struct error *err)
{
	if (spec_check(spec, err))
		return -1;
	if (spec->gpu_type && cluster->gpu_type && strcasecmp(spec->gpu_type, cluster->gpu_type))
		return error_set(err, ERROR_SPEC, "gpus: '%s' is asked, cluster '%s' has '%s'; see: kedge cluster ls",
				 spec->gpu_type, cluster->name, cluster->gpu_type);
	if (spec->gpu_type && !cluster->gpu_type)
		return error_set(err, ERROR_SPEC,
				 "gpus: '%s' is asked, and cluster '%s' does not say what it has; set gpu_type in its section",
				 spec->gpu_type, cluster->name);
	return 0;
}

/* The template as it is now goes into the spool; it is rendered once here, so that a bad one is refused before
   anything is sent. */
static int snapshot_template(const struct cluster *cluster, const struct spec *spec, const char *job_id,
			     const char *spool, struct strbuf *run_sh, struct error *err)
{
	struct strbuf text = STRBUF_INIT;
	char *name = NULL, *path = NULL;
	int rc = -1;

	if (render_template(cluster, spec, &text, &name, err) ||
	    render_run_sh(cluster, spec, job_id, text.buf, name, run_sh, err))
		goto out;
	if (spool) {
		path = path_join(spool, "template.sh");
		if (fsutil_write(path, text.buf, text.len, 0600, err))
			goto out;
	}
	rc = 0;
out:
	strbuf_release(&text);
	free(name);
	free(path);
	return rc;
}

static char *submitter(void)
{
	struct passwd *pw = getpwuid(getuid());
	char host[256] = "?";

	gethostname(host, sizeof host - 1);
	return pw ? xasprintf("%s@%s", pw->pw_name, host) : xasprintf("%ld@%s", (long)getuid(), host);
}

static void fill_row(struct job *job, const char *job_id, const struct cluster *cluster, const struct spec *spec)
{
	*job = (struct job){
		.job_id = xstrdup(job_id),
		.name = xstrdup(spec->name),
		.cluster = xstrdup(cluster->name),
		.request = spec_to_json(spec),
		.state = JOB_PENDING,
		.exit_code = -1,
		.heartbeat = -1,
		.submitter = submitter(),
	};
}

/* The store said that it could not keep the row.  It may be there all the same: when only the sync of the directory, or giving up the
   lock, has failed.  Then its snapshot is needed.  false: the row is surely not there. */
static bool was_kept(struct store *store, const char *job_id, struct error *err)
{
	struct error why = { 0 };
	struct job job;

	if (job_find(store, job_id, &job, &why))
		return why.kind != ERROR_NOT_FOUND;
	if (err)
		error_set(err, err->kind, "%s; job %lld was submitted all the same, and goes on with: kedge poll", err->text,
			  (long long)job.number);
	job_release(&job);
	return true;
}

int submit_job(struct store *store, const char *spool, const struct cluster *cluster, struct spec *spec,
	       struct job *out, struct error *err)
{
	struct event ev = { .name = "submitted" };
	struct strbuf run_sh = STRBUF_INIT;
	char job_id[ID_UUID_LEN + 1], *dir;
	struct job job = { 0 };
	bool keep = false;
	int rc = -1;

	if (check(cluster, spec, err))
		return -1;
	id_uuid7(clock_wall_ms(), job_id);
	dir = path_join(spool, job_id);
	if (fsutil_mkdir_p(dir, err))
		goto out;
	if (stage_snapshot(spec, dir, NULL, err) ||
	    snapshot_template(cluster, spec, job_id, dir, &run_sh, err))
		goto out;
	fill_row(&job, job_id, cluster, spec);
	if (job_insert(store, &job, &ev, err)) {
		keep = was_kept(store, job_id, err);
		job_release(&job);
		goto out;
	}
	*out = job;
	rc = 0;
out:
	if (rc && !keep)
		fsutil_remove_tree(dir, NULL);
	strbuf_release(&run_sh);
	free(dir);
	return rc;
}

int submit_dry_run(const struct cluster *cluster, struct spec *spec, struct strbuf *run_sh,
		   struct source *files, struct error *err)
{
	char job_id[ID_UUID_LEN + 1];

	if (check(cluster, spec, err) || stage_snapshot(spec, NULL, files, err))
		return -1;
	id_uuid7(clock_wall_ms(), job_id);
	if (snapshot_template(cluster, spec, job_id, NULL, run_sh, err)) {
		if (files)
			source_release(files);
		return -1;
	}
	return 0;
}
