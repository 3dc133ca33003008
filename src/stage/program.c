#include "config.h"

#include "stage/program.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "config/text.h"
#include "util/xalloc.h"

/* "#!/usr/bin/env python3" -> "/usr/bin/env python3"; NULL: no such line, or one that is no text. */
static char *line_of(const char *path)
{
	char line[256] = "";
	FILE *f = fopen(path, "re");
	char *found = NULL;

	if (f && fgets(line, sizeof line, f) && !strncmp(line, "#!", 2) && strchr(line, '\n')) {
		line[strcspn(line, "\r\n")] = 0;
		found = line + 2 + strspn(line + 2, " \t");
	}
	if (f)
		fclose(f);
	return found && *found && text_bad_utf8(found, strlen(found)) == strlen(found) ? xstrdup(found) : NULL;
}

static bool has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && !strcmp(s + n - m, suffix);
}

char *program_interpreter(const char *path, const char *name)
{
	struct stat st;
	char *line;

	if (stat(path, &st) == 0 && (st.st_mode & S_IXUSR))
		return xstrdup("");
	line = line_of(path);
	if (line)
		return line;
	if (has_suffix(name, ".py"))
		return xstrdup("python3");
	return has_suffix(name, ".sh") ? xstrdup("/bin/sh") : NULL;
}
