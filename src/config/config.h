/*
 * config - configuration from all its places; later wins: /etc/kedge/config.ini,
 * $XDG_CONFIG_HOME/kedge/config.ini, ./kedge.ini, the environment (KEDGE_ROOT sets
 * `root` of [defaults]), flags.  What [cluster NAME] says wins over [defaults],
 * wherever either is from.  See kedge.ini(5).
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "config/cluster.h"

struct error;
struct config;

struct config_places {
	const char *file;          /* --config FILE: read instead of the three files; NULL */
	const char *const *flags;  /* "key=value" for [defaults], NULL-terminated; NULL */
};

/* NULL on failure, with every error of every file in err (one a line). */
struct config *config_load(const struct config_places *places, struct error *err);
void config_free(struct config *cfg);

/* The cluster named by [defaults] cluster, or the only one there is; NULL when that is unclear. */
const char *config_default_cluster(const struct config *cfg);

/* All cluster names in the order of the files; NULL-terminated; belongs to cfg. */
const char *const *config_cluster_names(const struct config *cfg);

/* Fill *out (yours: cluster_release).  NOT_FOUND with the near miss and the known names when there is
   no such cluster. */
int config_cluster(const struct config *cfg, const char *name, struct cluster *out, struct error *err);

/* Visit every effective value in table order: section is "defaults" or "cluster NAME"; origin is
   "FILE:LINE", "environment KEDGE_X", "flag" or "default".  Unset keys are not visited. */
typedef void config_visit_f(void *arg, const char *section, const char *name, const char *value,
			    const char *origin);
void config_visit(const struct config *cfg, config_visit_f *visit, void *arg);

/* [defaults] keys that are no cluster keys. */
const char *config_get(const struct config *cfg, const char *name); /* NULL: unset and no default */

#endif
