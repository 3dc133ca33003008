/*
 * row - a C struct as a row: one table of columns serves binding, reading, copying, comparing
 * and releasing.  Column i is parameter ?i+1 and result column i.
 */
#ifndef STORE_ROW_H
#define STORE_ROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/sqlutil.h"
#include "util/strtab.h"

struct error;

enum row_type {
	ROW_INT64,
	ROW_INT,
	ROW_BOOL,
	ROW_TEXT,  /* char *, owned by the struct; NULL is NULL */
	ROW_CHARS, /* char[size] */
	ROW_WORD,  /* int or enum; a word of `words` in the database, 0 is NULL */
};

struct row_column {
	const char *name;
	enum row_type type;
	size_t offset;
	bool null;                  /* numbers: `none` is NULL in the database */
	int64_t none;
	size_t size;                /* ROW_CHARS */
	const struct strtab *words; /* ROW_WORD */
	unsigned flags;             /* the owner's */
};

/* Tables end with a NULL name. */
void row_bind(struct sql *q, const struct row_column *columns, const void *row);
/* *row is overwritten on success.  A text that does not fit or is no word is ERROR_STORE. */
int row_read(struct sql *q, const struct row_column *columns, void *row, size_t size, struct error *err);
void row_copy(const struct row_column *columns, void *to, const void *from, size_t size);
bool row_differs(const struct row_column *column, const void *a, const void *b);
void row_release(const struct row_column *columns, void *row, size_t size); /* leaves zeros */

#endif
