/*
 * dry_run - what `kedge submit --dry-run` prints: run.sh, and what would be sent and what would not, as comments behind it; or all of it as
 * JSON.
 */
#ifndef CMD_DRY_RUN_H
#define CMD_DRY_RUN_H

#include <stdbool.h>

struct cluster;
struct error;
struct spec;

int dry_run_print(const struct cluster *cluster, struct spec *spec, bool json, struct error *err);

#endif
