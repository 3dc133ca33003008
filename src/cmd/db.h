/*
 * db - the verbs of `kedge db` that have a file of their own.
 */
#ifndef CMD_DB_H
#define CMD_DB_H

struct cmd_args;
struct cmd_context;
struct error;

/* Rows from the trees on a cluster.  Opens configuration and database itself: the one it finds may be damaged.  Options: cluster, all,
   dry-run, json. */
int db_rebuild_run(struct cmd_context *ctx, const struct cmd_args *args, struct error *err);

#endif
