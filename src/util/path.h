/*
 * path - names in file systems, ours and theirs: text only, no I/O.
 */
#ifndef UTIL_PATH_H
#define UTIL_PATH_H

#include <stdbool.h>

/* New; one '/' between; an absolute name wins; an empty one adds nothing. */
char *path_join(const char *dir, const char *name);
const char *path_basename(const char *path);            /* points into path; after the last '/' */
char *path_dirname(const char *path);                   /* new; "." when there is no '/' */

/* Is it a relative path that stays below its root: not empty, no leading '/', no "." or ".."
   or empty component, no NUL, at most 4096 bytes, no component over 255? */
bool path_is_safe_relative(const char *path);

/* Is it one component: path_is_safe_relative without '/'? */
bool path_is_name(const char *name);

/* Is it made of [A-Za-z0-9._-] only, not empty, not starting with '-' or '.'?  Such names go
   to the far side unquoted in lists. */
bool path_is_plain(const char *name);

#endif
