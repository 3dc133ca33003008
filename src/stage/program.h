/*
 * program - how a file of code/ is run: by itself when it is executable, else by the interpreter of its #! line, else as its suffix says.
 *
 * It is found out at submit and kept in the request: what runs later does not depend on the directory as it is then.
 */
#ifndef STAGE_PROGRAM_H
#define STAGE_PROGRAM_H

/* path: the file; name: what it is called in code/.  New: "" itself, or the words of the interpreter ("/usr/bin/env python3"); NULL: none
   of all. */
char *program_interpreter(const char *path, const char *name);

#endif
