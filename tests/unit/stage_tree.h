/*
 * stage_tree - directories full of trouble, for the tests of src/stage.
 */
#ifndef UNIT_STAGE_TREE_H
#define UNIT_STAGE_TREE_H

#include <stddef.h>
#include <sys/types.h>

char *tree_new(void);                  /* a new directory of one's own; free the name */
void tree_remove(char *dir);           /* it and all below; frees the name */
int tree_sh(const char *script, const char *a, const char *b); /* sh -c with $1 and $2 (NULL: none); its exit status */
char *tree_path(const char *dir, const char *name); /* in one of few static buffers */
void tree_dir(const char *dir, const char *name);   /* with parents */
void tree_file(const char *dir, const char *name, const void *data, size_t n, mode_t mode); /* with parents */
void tree_text(const char *dir, const char *name, const char *text);
void tree_link(const char *dir, const char *name, const char *target);
char *tree_read(const char *path, size_t *n);       /* new, terminated */

/* Names with blanks, quotes, newlines, $(...), backslashes, leading dashes, invalid UTF-8, 255 bytes, a path of more
   than 1000 bytes; an empty file, an empty directory, a program, links. */
void tree_hostile(const char *dir);
extern const char *const tree_hostile_names[]; /* of ordinary files in it, ends with NULL */

/* Same names, types, contents, link targets and owner's x bits. */
void tree_assert_equal(const char *a, const char *b);

#endif
