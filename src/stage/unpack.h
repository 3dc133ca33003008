/*
 * unpack - a tar as `git archive` writes it, made a directory again.
 *
 * Directories, files and symbolic links, and nothing else; no name leaves the directory, also not through a link of the tar, and nothing
 * is written over.  Of a mode the owner's x is kept, times are those of the tar.
 */
#ifndef STAGE_UNPACK_H
#define STAGE_UNPACK_H

struct error;

/* Into the existing, empty directory dir.  STORE for what is here, SPEC for what is in the tar. */
int unpack_tar(const char *tar, const char *dir, struct error *err);

#endif
