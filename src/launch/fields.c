#include "launch/fields.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "launch/observation.h"

size_t fields_split(char *line, char **field, size_t max)
{
	size_t n = 0;

	for (;;) {
		if (n == max || !*line || *line == ' ')
			return 0;
		field[n++] = line;
		line = strchr(line, ' ');
		if (!line)
			return n;
		*line++ = 0;
	}
}

bool fields_number(const char *s, int64_t max, int64_t *out)
{
	char *end;

	if (!isdigit((unsigned char)*s))
		return false;
	errno = 0;
	long long v = strtoll(s, &end, 10);
	if (errno || *end || v > max)
		return false;
	*out = v;
	return true;
}

bool fields_optional(const char *s, int64_t max, int64_t none, int64_t *out)
{
	if (strcmp(s, "-"))
		return fields_number(s, max, out);
	*out = none;
	return true;
}

bool fields_status(const char *s, int *out)
{
	int64_t v = OBS_RC_PENDING;

	if (strcmp(s, "?") && !fields_optional(s, 255, OBS_RC_NONE, &v))
		return false;
	*out = (int)v;
	return true;
}

bool fields_time(const char *s, int64_t *ms)
{
	int64_t seconds;

	if (!fields_optional(s, INT64_MAX / 1000, 0, &seconds))
		return false;
	*ms = seconds * 1000;
	return true;
}

bool fields_word(const struct strtab *tab, const char *s, int *out)
{
	int v = strtab_value(tab, s, INT_MIN);

	if (v == INT_MIN)
		return false;
	*out = v;
	return true;
}

bool fields_plain(const char *s, const char *extra, char *out, size_t size)
{
	if (!strcmp(s, "-"))
		s = "";
	for (const char *p = s; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr(extra, *p))
			return false;
	if (strlen(s) >= size)
		return false;
	memcpy(out, s, strlen(s) + 1);
	return true;
}
