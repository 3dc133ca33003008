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

struct error;

enum { READER_MAX_FILE = 1 << 20 };

/* Called for each `name = value`; value is never NULL.  Return -1 with err set (text without
   FILE:LINE) to report an error there; reading goes on. */
typedef int reader_f(void *arg, int line, const char *section, const char *name, const char *value,
		     struct error *err);

/* Read a file.  kind is ERROR_CONFIG or ERROR_SPEC for everything wrong with its content; a missing
   file is ERROR_NOT_FOUND.  The handler has seen every good line even when -1 is returned. */
int reader_file(const char *path, int kind, reader_f *handler, void *arg, struct error *err);

#endif
