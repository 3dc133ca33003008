/*
 * watch - look at what was launched, decide, act.
 */
#ifndef JOB_WATCH_H
#define JOB_WATCH_H

struct entries;
struct entry;
struct error;
struct tick;

/* One look at all attempts that are on their way, running, or LOST not long ago; then what decide says. */
int watch_active(struct tick *tick, struct error *err);

/* Decide on what e->launch.seen holds and write it down.  The action is left in e->decision. */
int watch_conclude(struct tick *tick, struct entry *e, struct error *err);

/* Do what was decided: launch again, fence, signal. */
int watch_act(struct tick *tick, struct entries *es, struct error *err);

#endif
