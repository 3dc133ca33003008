/*
 * log - what kedge did, for the person who asks with -v.  Never data, never secrets.
 *
 * Lines go to stderr when their level is at or below the verbosity, as
 * "kedge: TEXT"; bytes of others are made visible (vis.h) by the caller.
 */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

enum log_level {
	LOG_ERROR,   /* always */
	LOG_WARN,    /* unless --quiet */
	LOG_NOTE,    /* what a person at the terminal wants to know; unless --quiet */
	LOG_INFO,    /* -v */
	LOG_DEBUG,   /* -vv */
};

void log_set_level(enum log_level level); /* default LOG_NOTE */
enum log_level log_level(void);
void log_write(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_WARN, __VA_ARGS__)
#define log_note(...)  log_write(LOG_NOTE, __VA_ARGS__)
#define log_info(...)  log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

#endif
