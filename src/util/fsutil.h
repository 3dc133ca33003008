/*
 * fsutil - local files: whole reads with a cap, atomic writes, private directories.
 * Failures are ERROR_STORE with the path and the reason, unless said otherwise.
 */
#ifndef UTIL_FSUTIL_H
#define UTIL_FSUTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct error;
struct stat;
struct strbuf;

/* Append the file to sb.  More than `cap` bytes is an error.  A missing file is ERROR_NOT_FOUND. */
int fsutil_read(const char *path, size_t cap, struct strbuf *sb, struct error *err);

/* Write by a temporary name in the same directory, fsync, rename, fsync of the directory.
   After failure the old file, if any, stands unchanged and no temporary file is left; only when
   the last step fails, which the text says, the new file stands.  A link is replaced, not followed. */
int fsutil_write(const char *path, const void *data, size_t n, mode_t mode, struct error *err);

/* Give the finished file `from` the name `to` in the same file system, unless that name is taken: -1 with errno EEXIST, and
   nothing has changed.  The directory of `to` is synced. */
int fsutil_move_new(const char *from, const char *to);

/* mkdir -p with mode 0700 for what is created. */
int fsutil_mkdir_p(const char *path, struct error *err);

/* rm -rf without following links, read-only directories included; a missing path is fine. */
int fsutil_remove_tree(const char *path, struct error *err);

/* write(2) all of it, through EINTR and short writes; 0 or -1 with errno. */
int fsutil_write_all(int fd, const void *data, size_t n);

/* When it was modified, in nanoseconds since 1970; what 64 bits do not hold (a file system's times may lie beyond 1677 and 2262) is
   the nearest that they do. */
int64_t fsutil_mtime_ns(const struct stat *st);

/* "~" and "~/x" by $HOME where that is set; other paths relative to base (NULL: the working directory) are joined
   with it.  New string; nothing is resolved. */
char *fsutil_expand(const char *path, const char *base);

/* Directories of the XDG Base Directory Specification 0.8, with "/kedge" appended; new strings.
   ERROR_CONFIG when neither the variable nor HOME is set. */
char *fsutil_config_dir(struct error *err); /* XDG_CONFIG_HOME or ~/.config */
char *fsutil_state_dir(struct error *err);  /* XDG_STATE_HOME or ~/.local/state */

#endif
