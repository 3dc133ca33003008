#include "util/log.h"

#include <errno.h>
#include <stdarg.h>
#include <unistd.h>

#include "util/fsutil.h"
#include "util/strbuf.h"

static enum log_level verbosity = LOG_NOTE;

void log_set_level(enum log_level level)
{
	verbosity = level;
}

enum log_level log_level(void)
{
	return verbosity;
}

void log_write(enum log_level level, const char *fmt, ...)
{
	struct strbuf line = STRBUF_INIT;
	int saved = errno;
	va_list ap;

	if (level > verbosity)
		return;
	strbuf_addstr(&line, "kedge: ");
	va_start(ap, fmt);
	strbuf_vaddf(&line, fmt, ap);
	va_end(ap);
	strbuf_addch(&line, '\n');
	/* one write, so that lines of several processes do not mix; nobody to tell when it fails */
	(void)fsutil_write_all(STDERR_FILENO, line.buf, line.len);
	strbuf_release(&line);
	errno = saved;
}
