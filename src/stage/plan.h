/*
 * plan - one job's upload, before anything is sent: which bytes go where, and what the far side will be
 * asked to verify.  Local files and memory only.
 */
#ifndef STAGE_PLAN_H
#define STAGE_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "stage/inputs.h"
#include "stage/manifest.h"
#include "transport/sftp.h"
#include "util/strbuf.h"
#include "util/strvec.h"

struct error;
struct object;
struct sftp_stripe;
struct stage_job;
struct stage_memory;
struct upload;

enum { PLAN_TAIL = 6 };

/* A file that other jobs may have in common: the pack, a data or model file. */
struct plan_object {
	char sha256[DIGEST_HEX + 1]; /* "": not known before it is sent */
	int64_t size;
	bool is_program;
	bool cached; /* not sent: the far side has it */
	struct object *shared; /* stage_cache.c's */
	size_t put;            /* which of puts sends it */
	int64_t arrived;       /* bytes of it that are in incoming/ from a try before */
};

struct plan {
	const struct stage_job *job;
	char *incoming;          /* ROOT/.kedge/incoming/JOB_ID, as SFTP names it */
	char *claim;             /* there once a stage.sh is at it */
	struct inputs inputs;
	struct manifest manifest;
	size_t dirs, empty_dirs, links; /* in the pack; dirs with code/ itself */
	const struct manifest_entry **order; /* regular files as they are named to the far side */
	size_t n_order;
	struct sftp_put *puts;   /* directories, and files whose hashes become known while they are sent */
	size_t n_puts;
	size_t *whose;           /* of each of puts: 1 + the object it sends, 0: none */
	struct plan_object *objects; /* [0] the pack, [1 + i] input i */
	size_t n_objects;
	struct sftp_put tail[PLAN_TAIL]; /* what tells those hashes; after plan_finish */
	struct upload *tail_uploads[PLAN_TAIL];
	struct upload **uploads; /* [0] the pack, [1 + i] input i, and two more */
	size_t n_uploads;
	struct strvec paths;     /* of puts */
	struct strbuf tail_text[PLAN_TAIL];
	int64_t bytes;           /* of puts that are sent */
	int64_t all_bytes;       /* the same if everything were sent */
	bool resumed;
	bool finished;
};

/* Read the snapshot and lay out the upload.  root: as SFTP names it.  On failure *out is released. */
int plan_make(const struct stage_job *job, const char *root, struct plan *out, struct error *err);
void plan_release(struct plan *p);

/* Leave an object out of what is sent, its hash set or set later; before anything is sent. */
void plan_set_cached(struct plan *p, size_t object);
/* What is sent takes the place of what a try before has left, and goes on with what has arrived: that much is read here and now.  After
   the objects from the cache are set, before anything is sent. */
int plan_resume(struct plan *p, struct error *err);
/* Append what is sent to puts, but for the objects of `least` bytes and more; how many. */
size_t plan_add_puts(const struct plan *p, int64_t least, struct sftp_put *puts);
/* Append those; how many.  Their puts are the plan's. */
size_t plan_add_stripes(struct plan *p, int64_t least, struct sftp_stripe *stripes);
/* The SHA-256 of an object that was sent. */
void plan_sent_sha256(const struct plan *p, size_t object, char hex[DIGEST_HEX + 1]);
/* Set the hash of each input that looks as at submit and that memory knows (NULL: none). */
void plan_recall(struct plan *p, const struct stage_memory *memory);
/* Tell memory of the inputs that were sent. */
void plan_remember(const struct plan *p, const struct stage_memory *memory);
/* The name of an object in the cache, its hash known: the hash, and ".x" for a program. */
enum { PLAN_KEY = DIGEST_HEX + 3 };
void plan_key(const struct plan_object *o, char key[PLAN_KEY]);

/* Are the hashes known before anything is sent? */
bool plan_is_known(const struct plan *p);
/* Once they are known: the manifest is complete, and tail can be sent. */
void plan_finish(struct plan *p);
/* All was sent: is the pack the one of the snapshot?  STORE. */
int plan_check_sent(const struct plan *p, struct error *err);

int64_t plan_bytes(const struct plan *p); /* all that goes over the wire; after plan_finish */

/* The far side's name for the index-th file (from 0), below tree/. */
const char *plan_name(const struct plan *p, size_t index);

/* Append the words that describe it in the body of stage.sh: DIRS LINKS INPUTS CACHED ("-": none to look for) and seven
   hashes. */
void plan_add_words(const struct plan *p, struct strbuf *out);

#endif
