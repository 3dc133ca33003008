#include "util/path.h"

#include <string.h>

#include "util/xalloc.h"

enum { PATH_BYTES = 4096, NAME_BYTES = 255 };

char *path_join(const char *dir, const char *name)
{
	size_t n = strlen(dir);

	if (*name == '/' || n == 0)
		return xstrdup(name);
	if (*name == '\0')
		return xstrdup(dir);
	return xasprintf("%s%s%s", dir, dir[n - 1] == '/' ? "" : "/", name);
}

const char *path_basename(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

char *path_dirname(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return xstrdup(".");
	while (slash > path && slash[-1] == '/')
		slash--;
	return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

static bool is_dots(const char *s, size_t n)
{
	return (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.');
}

bool path_is_safe_relative(const char *path)
{
	const char *p = path;

	if (strlen(path) > PATH_BYTES)
		return false;
	for (;;) {
		size_t n = strcspn(p, "/");

		if (n == 0 || n > NAME_BYTES || is_dots(p, n))
			return false;
		if (p[n] == '\0')
			return true;
		p += n + 1;
	}
}

bool path_is_name(const char *name)
{
	return !strchr(name, '/') && path_is_safe_relative(name);
}

bool path_is_plain(const char *name)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";

	return *name && *name != '-' && *name != '.' && name[strspn(name, plain)] == '\0';
}
