/*
 * scripted - a transport whose far side is a function of the test, run in a child: an
 * SFTP server that lies.
 */
#ifndef TESTS_UNIT_SCRIPTED_H
#define TESTS_UNIT_SCRIPTED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/sftp_codec.h"
#include "transport/transport.h"

/* Runs in the child: fd is its stdin and stdout, err its stderr. */
typedef void script_f(int fd, int err);

struct transport *scripted_open(script_f *script);
/* From this channel on, counted from 1, the far side opens no more; how many were begun. */
void scripted_refuse_from(struct transport *t, size_t number);
size_t scripted_channels(const struct transport *t);
/* Close it.  True when every script came to its end with each scripted_need satisfied. */
bool scripted_close(struct transport *t);

/* --- for scripts ---------------------------------------------------------- */

#define scripted_need(cond) scripted_check((cond), #cond, __FILE__, __LINE__)
void scripted_check(bool ok, const char *what, const char *file, int line);

size_t scripted_number(void); /* of this channel, from 1 */

struct scripted_request {
	enum sftp_type type;
	uint32_t id;
	struct sftp_reader payload; /* valid until the next one is read */
};

void scripted_send(int fd, const void *p, size_t n);
/* The next request; ends the script when there is none, well unless more was expected. */
struct scripted_request scripted_next(int fd);
void scripted_expect_more(bool more);
bool scripted_is_quiet(int fd, int ms); /* nothing comes for so long, or nothing more at all */
/* Read INIT and answer it; extensions are pairs of name and version, NULL at the end. */
void scripted_greet(int fd, const char *const *extensions);

/* An answer: begin, add fields with sftp_add_*, end. */
struct strbuf *scripted_begin(enum sftp_type type, uint32_t id);
void scripted_end(int fd);
void scripted_status(int fd, uint32_t id, uint32_t code, const char *words);
void scripted_handle(int fd, uint32_t id, const char *handle);

#endif
