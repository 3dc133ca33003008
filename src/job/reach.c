#include "job/reach.h"

#include <string.h>

#include "config/cluster.h"
#include "launch/launcher.h"
#include "stage/site.h"
#include "stage/stage.h"
#include "store/breaker.h"
#include "store/cluster.h"
#include "util/error.h"

const struct reach reach_real = {
	.open = site_open,
	.close = site_close,
	.stage = stage_jobs,
	.launcher = launcher_find,
};

static struct breaker breaker_of(const struct cluster *cluster, bool asked)
{
	return (struct breaker){
		.cluster = cluster->name,
		.max_logins = strcmp(cluster->transport, "local") == 0 ? 0 : cluster->max_logins,
		.asked = asked,
	};
}

int reach_check(struct store *store, const struct cluster *cluster, bool asked, struct error *err)
{
	struct breaker b = breaker_of(cluster, asked);

	return breaker_check(store, &b, err);
}

static bool is_answer(enum error_kind kind)
{
	return kind == ERROR_NONE || kind == ERROR_NOT_FOUND || error_exit_status(kind) == error_exit_status(ERROR_REFUSED);
}

void reach_told(struct store *store, const struct cluster *cluster, const struct error *why)
{
	/* What went wrong matters more than that it could not be recorded. */
	if (store && is_answer(why->kind))
		cluster_reached(store, cluster->name, NULL);
	else if (store && error_is_unknown(why->kind) && why->kind != ERROR_INTERRUPTED && why->kind != ERROR_LATER)
		cluster_failed(store, cluster->name, why, NULL);
}

struct site *reach_open(const struct reach *reach, struct store *store, const struct cluster *cluster, bool asked, struct error *err)
{
	struct breaker b = breaker_of(cluster, asked);
	struct error why = { 0 };
	struct site *site;

	if (store && breaker_enter(store, &b, err))
		return NULL;
	site = reach->open(cluster, &why);
	if (!site) {
		reach_told(store, cluster, &why);
		if (err)
			*err = why;
	}
	return site;
}
