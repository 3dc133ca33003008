/*
 * config_dir - a private working directory, and files in it, for the tests of src/config.
 */
#ifndef TESTS_UNIT_CONFIG_DIR_H
#define TESTS_UNIT_CONFIG_DIR_H

#include "testing.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "util/error.h"
#include "util/fsutil.h"

static char config_dir_path[] = "/tmp/kedge-test-XXXXXX";

static inline int config_dir_enter(void **state)
{
	(void)state;
	umask(077);
	return mkdtemp(config_dir_path) && chdir(config_dir_path) == 0 ? 0 : -1;
}

static inline int config_dir_leave(void **state)
{
	(void)state;
	return chdir("/") == 0 ? fsutil_remove_tree(config_dir_path, NULL) : -1;
}

static inline void config_dir_write(const char *name, const char *bytes, size_t n)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fsutil_write_all(fd, bytes, n), 0);
	close(fd);
}

static inline void config_dir_text(const char *name, const char *text)
{
	config_dir_write(name, text, strlen(text));
}

/* A whole file of the source tree. */
static inline void config_dir_source(const char *name, struct strbuf *text)
{
	const char *srcdir = getenv("srcdir");
	char path[4096];

	snprintf(path, sizeof path, "%s/%s", srcdir ? srcdir : ".", name);
	assert_int_equal(fsutil_read(path, 1 << 20, text, NULL), 0);
}

#endif
