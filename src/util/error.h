/*
 * error - how a failure is told.
 *
 * A function that can fail returns 0 or -1 (or a pointer or NULL) and takes a
 * `struct error *` last, which may be NULL.  A failure is a kind, which decides
 * policy and the exit status, and a sentence for the user.  The sentence is
 * lower case, has no full stop, quotes its subject in single quotes, and says
 * what failed, where, why, and what to type next where that is known.  Outputs
 * are set only on success.
 */
#ifndef UTIL_ERROR_H
#define UTIL_ERROR_H

#include <stdarg.h>
#include <stdbool.h>

enum error_kind {
	ERROR_NONE = 0,
	ERROR_JOB,         /* a job, or one of several things asked, failed */
	ERROR_USAGE,       /* the command line */
	ERROR_NOT_FOUND,   /* no such job, file, cluster */
	ERROR_CONFIG,      /* configuration */
	ERROR_SPEC,        /* job specification, template, source tree */
	ERROR_STORE,       /* database, spool, local disk */
	ERROR_HOSTKEY,     /* host key unknown, changed, revoked */
	ERROR_AUTH,        /* no key was accepted */
	ERROR_NETWORK,     /* refused, reset, cut: nothing is known */
	ERROR_TIMEOUT,     /* a deadline passed: nothing is known */
	ERROR_PROTOCOL,    /* a reply that does not parse: nothing is known */
	ERROR_LATER,       /* not asked: the cluster was asked too often (store/breaker.h) */
	ERROR_BUSY,        /* another kedge holds the lease, somebody the database */
	ERROR_CHANGED,     /* another kedge changed the row meanwhile */
	ERROR_CHECKSUM,    /* verification failed */
	ERROR_HELD,        /* held, or in doubt: a human decides */
	ERROR_NO_SPACE,    /* disk or quota, far side */
	ERROR_DENIED,      /* permission, far side */
	ERROR_EXISTS,      /* target exists, far side */
	ERROR_REFUSED,     /* the far side said no for another reason */
	ERROR_LAUNCH,      /* the launcher refused */
	ERROR_INTERRUPTED, /* a signal asked us to stop */
	ERROR_INTERNAL,    /* a defect of kedge */
};

struct error {
	enum error_kind kind;
	char text[1024]; /* always terminated; "..." at the end marks a cut */
};

/* Set kind and text.  err may be NULL; errno is preserved.  Always returns -1, so
   that a failure path is `return error_set(err, ...)`. */
int error_set(struct error *err, enum error_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
int error_vset(struct error *err, enum error_kind kind, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

/* Put "CONTEXT: " in front of the text; the kind stays.  Always returns -1. */
int error_wrap(struct error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Put ERROR's text and kind from errno: "FMT...: strerror(errnum)".  Always returns -1. */
int error_errno(struct error *err, enum error_kind kind, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Forget a failure (kind NONE, empty text). */
void error_clear(struct error *err);

/* May another try, later and unchanged, succeed?  (NETWORK, TIMEOUT, PROTOCOL, LATER, BUSY, CHANGED) */
bool error_is_transient(enum error_kind kind);

/* Is this "could not ask" rather than an answer of the far side?
   (NETWORK, TIMEOUT, PROTOCOL, LATER, HOSTKEY, AUTH, INTERRUPTED, INTERNAL) */
bool error_is_unknown(enum error_kind kind);

/* The exit status of kedge(1) for a kind: 0 NONE, 1 JOB, 2 USAGE, 3 NOT_FOUND, 4 CONFIG/SPEC/STORE,
   5 HOSTKEY, 6 AUTH, 7 NETWORK/TIMEOUT/PROTOCOL/LATER, 8 BUSY/CHANGED, 9 CHECKSUM, 10 HELD,
   11 NO_SPACE/DENIED/EXISTS/REFUSED/LAUNCH, 130 INTERRUPTED, 70 INTERNAL. */
int error_exit_status(enum error_kind kind);

/* A word for a kind ("network", "no-space"), as stored in events and JSON. */
const char *error_kind_name(enum error_kind kind);

/* The kind of a word that error_kind_name gave, as found in a held job's reason; ERROR_HELD for any other. */
enum error_kind error_kind_of(const char *name);

/* A question has three answers.  A function that returns this sets err for UNKNOWN only. */
enum answer {
	ANSWER_UNKNOWN = -1, /* could not ask */
	ANSWER_NO = 0,
	ANSWER_YES = 1,
};

#endif
