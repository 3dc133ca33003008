/*
 * signals - SIGINT, SIGTERM and SIGHUP ask; the work stops at the next wait.  The
 * second one ends the process at once, which is safe: intent is committed before
 * effect.  SIGPIPE is ignored: who starts a program sets it back before exec.  A signal
 * that was ignored when we started (nohup) stays so.
 */
#ifndef UTIL_SIGNALS_H
#define UTIL_SIGNALS_H

struct error;

void signals_install(void);
int signals_caught(void);                 /* 0, or the signal */
int signals_check(struct error *err);     /* -1 with ERROR_INTERRUPTED once one was caught */

#endif
