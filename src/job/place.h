/*
 * place - from PENDING to launched: stage what is due, commit the intent, launch.  One batch of each per tick.
 */
#ifndef JOB_PLACE_H
#define JOB_PLACE_H

struct entries;
struct error;
struct tick;

/* Stage and launch what is due and what the cluster's limit allows.  -1: the cluster could not be asked any more, or
   the store failed; jobs keep a state the next tick goes on from. */
int place_due(struct tick *tick, struct error *err);

/* Send the launch of entries in LAUNCHING (again), and record what is seen of them. */
int place_launch(struct tick *tick, struct entries *es, struct error *err);

#endif
