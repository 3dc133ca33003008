/*
 * reader - INI files, read with inih and guarded against its traps: lines past
 * its limit, repeated keys and sections, continuation lines, bytes of no text.
 *
 * The grammar: sections in [brackets], `name = value`, comments on lines that
 * begin with ; or #, and " ;" after a value.  Every error has "FILE:LINE: ", and
 * all errors of a file are reported, one a line, up to ten.
 */
#ifndef CONFIG_READER_H
#define CONFIG_READER_H

#include <stdbool.h>

struct error;
struct key;
struct problems;

/* A file larger than that is no configuration.  A line may be as long as any sensible command; a name as long as
   inih takes beside a value. */
enum { READER_MAX_FILE = 1 << 20, READER_MAX_LINE = 16384, READER_MAX_NAME = 128 };

struct reader_item {
	int line;
	const char *section; /* blanks at its ends removed, runs of blanks made one */
	const char *name;    /* NULL: this is the section's header */
	const char *value;   /* never NULL; "" for a header */
	bool comment;        /* a comment was cut off behind the value */
};

/* Called for each section header and each `name = value`.  Return -1 with err set (text without FILE:LINE) to report
   an error there; reading goes on. */
typedef int reader_f(void *arg, const struct reader_item *item, struct error *err);

/* Read a file.  kind is ERROR_CONFIG or ERROR_SPEC for everything wrong with it; a missing file is
   ERROR_NOT_FOUND.  The handler has seen every good line even when -1 is returned. */
int reader_file(const char *path, int kind, reader_f *handler, void *arg, struct error *err);

/* The same of a descriptor that is open already (and stays so), called `name` in errors; what is wrong is added
   to *problems. */
void reader_fd(int fd, const char *name, int kind, reader_f *handler, void *arg, struct problems *problems);

/* What a value loses when a comment was cut off: refuses a line of shell that did ("cd x ; make"), and explains words
   that do not parse.  Call it with the outcome of keys_check on the item's value; gives that, or -1. */
int reader_judge(const struct reader_item *item, const struct key *key, int outcome, struct error *err);

#endif
