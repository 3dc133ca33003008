/*
 * verdict - what remote/stage.sh says of each job it was asked about.  Parsed strictly: one line per job, in any
 * order, and nothing else.
 *
 *   JOB_ID ok METHOD
 *   JOB_ID unhashed                    unpacked and counted; no tool to hash with
 *   JOB_ID bad sum N INDEX...          N files differ; the first of them by number, from 1
 *   JOB_ID bad sent NAME               a file beside the tree arrived altered
 *   JOB_ID bad count WHAT SEEN
 *   JOB_ID bad gone | busy | exists    the upload is not there | is being verified | something else has its name
 *   JOB_ID bad miss                    what should come out of the cache is not there as it was
 *   JOB_ID bad tool NAME               which is missing
 *   JOB_ID bad io FREE TOTAL UID TEXT  of the root's file system, in KiB; "-": unknown
 */
#ifndef STAGE_VERDICT_H
#define STAGE_VERDICT_H

#include <stddef.h>
#include <stdint.h>

struct error;

enum verdict_kind {
	VERDICT_NONE,
	VERDICT_OK,
	VERDICT_UNHASHED,
	VERDICT_SUM,
	VERDICT_SENT,
	VERDICT_COUNT,
	VERDICT_GONE,
	VERDICT_BUSY,
	VERDICT_EXISTS,
	VERDICT_MISS,
	VERDICT_TOOL,
	VERDICT_IO,
};

enum { VERDICT_MAX_INDEXES = 8, VERDICT_WORD = 32, VERDICT_TEXT = 256 };

struct verdict {
	enum verdict_kind kind;
	char word[VERDICT_WORD];         /* METHOD, NAME, WHAT: letters, digits, '-' */
	int64_t number;                  /* N, SEEN */
	size_t indexes[VERDICT_MAX_INDEXES], n_indexes; /* from 0 */
	int64_t free_kib, total_kib, uid; /* -1: unknown */
	char text[VERDICT_TEXT];         /* foreign bytes, cut */
};

/* ids: the n jobs that were asked about.  PROTOCOL unless each has its line; *out is then untouched. */
int verdict_parse(const char *reply, size_t len, const char *const *ids, size_t n, struct verdict *out,
		  struct error *err);

#endif
