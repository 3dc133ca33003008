/*
 * objects - the files that jobs of one batch may have in common, each once: what is known of it, and who sends it.
 *
 * An object is asked for by a name of its content: its key in the cluster's cache when its hash is known, else whatever tells it from others here.
 */
#ifndef STAGE_OBJECTS_H
#define STAGE_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/digest.h"

struct error;
struct strbuf;

struct object {
	char *name;
	bool is_key;                 /* name is a key */
	int64_t size;
	bool there;                  /* in the cluster's cache */
	const void *sender;          /* whose upload brings it, NULL: nobody's so far */
	char sha256[DIGEST_HEX + 1]; /* of what the sender sent; "": not yet */
};

struct objects {
	struct object **v;
	size_t n, cap;
	void *index;
};

#define OBJECTS_INIT { NULL, 0, 0, NULL }

/* The object of that name, a new one when there is none.  It stays where it is until objects_release. */
struct object *objects_get(struct objects *os, const char *name, bool is_key, int64_t size);
void objects_release(struct objects *os);

/* The body of have.sh: the keys. */
void objects_ask(const struct objects *os, struct strbuf *body);
/* Its reply: set `there`.  Strict: lines "KEY SIZE" of what was asked, none twice, then "E COUNT"; else PROTOCOL, and
   nothing is set. */
int objects_answer(struct objects *os, const char *reply, size_t len, struct error *err);

#endif
