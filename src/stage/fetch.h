/*
 * fetch - brings files of a job's directory here, verified, and only what is not here yet.
 *
 * One script tells what there is (catalog.h); what size, time and receipt do not know to be here is hashed by a second one (where the far side has
 * no tool to hash with, it is read once more over SFTP); what still differs comes by SFTP, many files at once, and gets its name
 * when it has the announced hash (landing.h).  What has not is asked about and fetched once more, as much of it as there was when it was asked
 * about, so that a log may grow meanwhile.  Not right again: a file that changed in between is being written, one that did not is damaged
 * on its way.
 */
#ifndef STAGE_FETCH_H
#define STAGE_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "stage/catalog.h"
#include "util/error.h"

struct pick;
struct site;

enum fetch_state {
	FETCH_WANTED,    /* is to be fetched: of a dry run, and of one that was cut */
	FETCH_FETCHED,
	FETCH_UNCHANGED, /* was here */
	FETCH_SKIPPED,   /* is not what can be fetched: a device, a link that leads out */
	FETCH_GONE,      /* was removed meanwhile */
	FETCH_WRITING,   /* changed twice while it was fetched */
	FETCH_FAILED,
};

struct fetch_file {
	struct catalog_entry *entry;
	enum fetch_state state;
	enum error_kind kind; /* of a failure */
	char *why;            /* SKIPPED, FAILED: what to say about it */
};

struct fetch {
	const char *job_id, *dir;
	const struct pick *pick;
	mode_t mask;             /* the umask of who asks */
	bool dry_run;            /* look, and write nothing */
	void (*told)(void *arg, const struct fetch_file *file); /* what became of a file; NULL: none */
	void *arg;
	/* out, also after failure */
	struct catalog catalog;  /* what is wanted, directories among it */
	struct fetch_file *v;    /* one for each entry */
	size_t n;
	int64_t files, bytes;    /* got their names; came over the wire */
	char verified_by[CATALOG_METHOD]; /* "openssl", ...; "sftp": read twice; "": nothing was */
	char *incomplete;        /* what the far side says of a directory it could not read, NULL: nothing */
};

/* 0: every file has its answer, which may be a failure.  NOT_FOUND: no such tree, or nothing in it is picked. -1 else: it was cut, and goes on from
   there when it is called again. */
int fetch_run(struct site *site, struct fetch *f, struct error *err);
void fetch_release(struct fetch *f);

#endif
