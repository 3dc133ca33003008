/*
 * checkup - what is there to say about a database, damaged or not.  The file is opened read-only; nothing is mended.
 */
#ifndef JOB_CHECKUP_H
#define JOB_CHECKUP_H

#include <stddef.h>

struct error;

enum checkup_status { CHECKUP_OK, CHECKUP_WARN, CHECKUP_FAIL };

struct checkup {
	struct checkup_item {
		enum checkup_status status;
		const char *name; /* file mode schema integrity foreign-keys history jobs backup */
		char *text;
	} *v;
	size_t n, cap;
};

/* Look at everything that can be looked at.  -1 when something is not as it should be: the first such thing as ERROR_STORE with the
   way out, or as ERROR_CHECKSUM when it is nothing but the history; NOT_FOUND when there is no database.  *out is set in any
   case. */
int checkup_run(const char *path, struct checkup *out, struct error *err);
void checkup_release(struct checkup *c);

#endif
