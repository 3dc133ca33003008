#include "util/units.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/error.h"
#include "util/vis.h"

/* Ten digits times a day in milliseconds, added three times, stay far below INT64_MAX. */
enum { DIGITS_MAX = 10 };

struct unit {
	const char *word;
	int64_t factor;
};

static int refuse(const char *s, const char *expected, struct error *err)
{
	char *shown = vis(s);

	error_set(err, ERROR_SPEC, "'%.80s' is not %s", shown, expected);
	free(shown);
	return -1;
}

/* Digits at *p, which then points behind them. */
static bool take_number(const char **p, int64_t *n)
{
	size_t len = strspn(*p, "0123456789");

	if (len == 0 || len > DIGITS_MAX)
		return false;
	*n = strtoll(*p, NULL, 10);
	*p += len;
	return true;
}

/* A number and one of the words of the table, whole. */
static bool take_with_unit(const char *s, const struct unit *units, int64_t *n, int64_t *factor)
{
	const struct unit *u;

	if (!take_number(&s, n))
		return false;
	for (u = units; u->word; u++) {
		if (strcmp(u->word, s) == 0) {
			*factor = u->factor;
			return true;
		}
	}
	return false;
}

/* Up to three numbers with ':' between, to the end.  Returns how many, 0 for anything else. */
static int take_fields(const char *p, int64_t f[3])
{
	int n = 0;

	while (n < 3 && take_number(&p, &f[n])) {
		n++;
		if (*p == '\0')
			return n;
		if (*p++ != ':')
			return 0;
	}
	return 0;
}

static bool parse_clock(const char *s, int64_t *seconds)
{
	static const int64_t plain[4][3] = { { 0 }, { 60 }, { 60, 1 }, { 3600, 60, 1 } };
	static const int64_t after_days[3] = { 3600, 60, 1 };
	int64_t f[3], days = 0, sum = 0;
	const char *p = s;
	bool has_days = take_number(&p, &days) && *p == '-';
	const int64_t *factor;
	int i, n;

	n = take_fields(has_days ? p + 1 : s, f);
	factor = has_days ? after_days : plain[n];
	for (i = 0; i < n; i++)
		sum += f[i] * factor[i];
	*seconds = sum + (has_days ? days * 86400 : 0);
	return n > 0;
}

int units_parse_time(const char *s, int64_t *seconds, struct error *err)
{
	static const struct unit units[] = {
		{ "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 }, { NULL, 0 },
	};
	int64_t n, factor;

	if (take_with_unit(s, units, &n, &factor))
		n *= factor;
	else if (!parse_clock(s, &n))
		return refuse(s, "a time: M, M:S, H:M:S, D-H[:M[:S]], or a number with s, m, h or d", err);
	if (n < 1)
		return refuse(s, "a time of at least one second", err);
	*seconds = n;
	return 0;
}

int units_parse_duration(const char *s, int64_t *ms, struct error *err)
{
	static const struct unit units[] = {
		{ "", 1000 }, { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 },
		{ "d", 86400000 }, { NULL, 0 },
	};
	int64_t n, factor;

	if (!take_with_unit(s, units, &n, &factor))
		return refuse(s, "a length of time: seconds, or a number with ms, s, m, h or d", err);
	*ms = n * factor;
	return 0;
}

int units_parse_size(const char *s, int64_t *bytes, struct error *err)
{
	static const char expected[] = "a size: MiB, or a number with K, M, G or T";
	static const char letters[] = "KMGTkmgt";
	const char *p = s, *letter = letters + 1; /* bare is M */
	int64_t n;
	int shift;

	if (!take_number(&p, &n))
		return refuse(s, expected, err);
	if (*p) {
		letter = strchr(letters, *p++);
		if (!letter || (*p && strcmp(p, "B") != 0 && strcmp(p, "iB") != 0))
			return refuse(s, expected, err);
	}
	shift = 10 * (int)((letter - letters) % 4 + 1);
	if (n > INT64_MAX >> shift)
		return refuse(s, "a size below 8 EiB", err);
	*bytes = n << shift;
	return 0;
}

void units_time(int64_t seconds, char out[UNITS_TEXT])
{
	long long s = seconds > 0 ? seconds : 0;

	if (s < 86400)
		snprintf(out, UNITS_TEXT, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
	else
		snprintf(out, UNITS_TEXT, "%lld-%02lld:%02lld:%02lld", s / 86400, s / 3600 % 24,
			 s / 60 % 60, s % 60);
}

void units_size(int64_t bytes, char out[UNITS_TEXT])
{
	static const char *const words[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double n = bytes > 0 ? (double)bytes : 0;
	size_t i = 0;

	if (n < 1024) {
		snprintf(out, UNITS_TEXT, "%d B", (int)n);
		return;
	}
	/* 1023.95 of a unit would be printed as 1024.0 */
	for (n /= 1024; n >= 1023.95 && i < 5; n /= 1024)
		i++;
	snprintf(out, UNITS_TEXT, "%.1f %s", n, words[i]);
}
