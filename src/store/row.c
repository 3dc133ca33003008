#include "store/row.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/backup.h"
#include "util/error.h"
#include "util/xalloc.h"

static char **text_field(const struct row_column *c, void *row)
{
	return (char **)(void *)((char *)row + c->offset);
}

static const char *text_of(const struct row_column *c, const void *row)
{
	const char *at = (const char *)row + c->offset, *text;

	if (c->type == ROW_CHARS)
		return at;
	memcpy(&text, at, sizeof text);
	return text;
}

static int64_t number_of(const struct row_column *c, const void *row)
{
	const char *at = (const char *)row + c->offset;
	int64_t wide;
	int narrow;
	bool flag;

	switch (c->type) {
	case ROW_INT64:
		memcpy(&wide, at, sizeof wide);
		return wide;
	case ROW_BOOL:
		memcpy(&flag, at, sizeof flag);
		return flag;
	default:
		memcpy(&narrow, at, sizeof narrow);
		return narrow;
	}
}

static void set_number(const struct row_column *c, void *row, int64_t v)
{
	char *at = (char *)row + c->offset;
	int narrow = (int)v;
	bool flag = v != 0;

	switch (c->type) {
	case ROW_INT64:
		memcpy(at, &v, sizeof v);
		break;
	case ROW_BOOL:
		memcpy(at, &flag, sizeof flag);
		break;
	default:
		memcpy(at, &narrow, sizeof narrow);
		break;
	}
}

static bool is_text(const struct row_column *c)
{
	return c->type == ROW_TEXT || c->type == ROW_CHARS;
}

void row_bind(struct sql *q, const struct row_column *columns, const void *row)
{
	const struct row_column *c;
	int64_t v;

	for (c = columns; c->name; c++) {
		int param = (int)(c - columns) + 1;

		if (is_text(c)) {
			sql_text(q, param, text_of(c, row));
			continue;
		}
		v = number_of(c, row);
		if (c->type == ROW_WORD)
			sql_text(q, param, v ? strtab_word(c->words, (int)v) : NULL);
		else if (c->null && v == c->none)
			sql_null(q, param);
		else
			sql_int(q, param, v);
	}
}

static int read_field(struct sql *q, const struct row_column *c, int column, void *row, struct error *err)
{
	const char *text = sql_get_text(q, column);
	char how[128];
	int word = 0;

	switch (c->type) {
	case ROW_TEXT:
		*text_field(c, row) = sql_dup_text(q, column);
		return 0;
	case ROW_CHARS:
		if (strlen(text) >= c->size)
			break;
		memcpy((char *)row + c->offset, text, strlen(text) + 1);
		return 0;
	case ROW_WORD:
		if (!sql_is_null(q, column))
			word = strtab_value(c->words, text, -1);
		if (word < 0)
			break;
		set_number(c, row, word);
		return 0;
	default:
		set_number(c, row, c->null && sql_is_null(q, column) ? c->none : sql_get_int(q, column));
		return 0;
	}
	snprintf(how, sizeof how, "column '%s' has an impossible value", c->name);
	return backup_damaged(sqlite3_db_filename(q->db, "main"), how, err);
}

int row_read(struct sql *q, const struct row_column *columns, void *row, size_t size, struct error *err)
{
	void *fresh = xcalloc(1, size);
	const struct row_column *c;

	for (c = columns; c->name; c++)
		if (read_field(q, c, (int)(c - columns), fresh, err) != 0) {
			row_release(columns, fresh, size);
			free(fresh);
			return -1;
		}
	memcpy(row, fresh, size);
	free(fresh);
	return 0;
}

void row_copy(const struct row_column *columns, void *to, const void *from, size_t size)
{
	const struct row_column *c;

	memcpy(to, from, size);
	for (c = columns; c->name; c++)
		if (c->type == ROW_TEXT)
			*text_field(c, to) = xstrdup_null(text_of(c, from));
}

bool row_differs(const struct row_column *c, const void *a, const void *b)
{
	const char *s, *t;

	if (!is_text(c))
		return number_of(c, a) != number_of(c, b);
	s = text_of(c, a);
	t = text_of(c, b);
	return s && t ? strcmp(s, t) != 0 : s != t;
}

void row_release(const struct row_column *columns, void *row, size_t size)
{
	const struct row_column *c;

	if (!row)
		return;
	for (c = columns; c->name; c++)
		if (c->type == ROW_TEXT)
			free(*text_field(c, row));
	memset(row, 0, size);
}
