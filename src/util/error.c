#include "util/error.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	int status;
	bool transient, unknown;
} kinds[] = {
	[ERROR_NONE] = { "none", 0, false, false },
	[ERROR_JOB] = { "job", 1, false, false },
	[ERROR_USAGE] = { "usage", 2, false, false },
	[ERROR_NOT_FOUND] = { "not-found", 3, false, false },
	[ERROR_CONFIG] = { "config", 4, false, false },
	[ERROR_SPEC] = { "spec", 4, false, false },
	[ERROR_STORE] = { "store", 4, false, false },
	[ERROR_HOSTKEY] = { "hostkey", 5, false, true },
	[ERROR_AUTH] = { "auth", 6, false, true },
	[ERROR_NETWORK] = { "network", 7, true, true },
	[ERROR_TIMEOUT] = { "timeout", 7, true, true },
	[ERROR_PROTOCOL] = { "protocol", 7, true, true },
	[ERROR_LATER] = { "later", 7, true, true },
	[ERROR_BUSY] = { "busy", 8, true, false },
	[ERROR_CHANGED] = { "changed", 8, true, false },
	[ERROR_CHECKSUM] = { "checksum", 9, false, false },
	[ERROR_HELD] = { "held", 10, false, false },
	[ERROR_NO_SPACE] = { "no-space", 11, false, false },
	[ERROR_DENIED] = { "denied", 11, false, false },
	[ERROR_EXISTS] = { "exists", 11, false, false },
	[ERROR_REFUSED] = { "refused", 11, false, false },
	[ERROR_LAUNCH] = { "launch", 11, false, false },
	[ERROR_INTERRUPTED] = { "interrupted", 130, false, true },
	[ERROR_INTERNAL] = { "internal", 70, false, true },
};

/* Put "..." over the end, without leaving half of a UTF-8 character before it. */
static void mark_cut(char *text, size_t size)
{
	size_t at = size - 4;

	while (at > 0 && ((unsigned char)text[at] & 0xc0) == 0x80)
		at--;
	memcpy(text + at, "...", 4);
}

int error_vset(struct error *err, enum error_kind kind, const char *fmt, va_list ap)
{
	char text[sizeof err->text]; /* the arguments may point into err */
	int saved = errno, n;

	if (!err)
		return -1;
	n = vsnprintf(text, sizeof text, fmt, ap);
	if (n < 0)
		snprintf(text, sizeof text, "%s", fmt); /* better than nothing */
	else if ((size_t)n >= sizeof text)
		mark_cut(text, sizeof text);
	memcpy(err->text, text, strlen(text) + 1);
	err->kind = kind;
	errno = saved;
	return -1;
}

int error_set(struct error *err, enum error_kind kind, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	error_vset(err, kind, fmt, ap);
	va_end(ap);
	return -1;
}

int error_wrap(struct error *err, const char *fmt, ...)
{
	struct error context;
	va_list ap;

	if (!err)
		return -1;
	va_start(ap, fmt);
	error_vset(&context, err->kind, fmt, ap);
	va_end(ap);
	return error_set(err, err->kind, "%s: %s", context.text, err->text);
}

int error_errno(struct error *err, enum error_kind kind, int errnum, const char *fmt, ...)
{
	struct error context;
	int saved = errno;
	va_list ap;

	va_start(ap, fmt);
	error_vset(&context, kind, fmt, ap);
	va_end(ap);
	error_set(err, kind, "%s: %s", context.text, strerror(errnum));
	errno = saved;
	return -1;
}

void error_clear(struct error *err)
{
	if (!err)
		return;
	err->kind = ERROR_NONE;
	err->text[0] = '\0';
}

bool error_is_transient(enum error_kind kind)
{
	return kinds[kind].transient;
}

bool error_is_unknown(enum error_kind kind)
{
	return kinds[kind].unknown;
}

int error_exit_status(enum error_kind kind)
{
	return kinds[kind].status;
}

const char *error_kind_name(enum error_kind kind)
{
	assert((size_t)kind < sizeof kinds / sizeof kinds[0]);
	return kinds[kind].name;
}

enum error_kind error_kind_of(const char *name)
{
	for (size_t i = 1; name && i < sizeof kinds / sizeof kinds[0]; i++)
		if (!strcmp(kinds[i].name, name))
			return (enum error_kind)i;
	return ERROR_HELD;
}
