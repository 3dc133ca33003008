/*
 * sftp_codec - SFTP version 3 packets as bytes: no I/O.  Reading is bounded and never
 * trusts a length; a reader that ran past its end stays broken.
 */
#ifndef TRANSPORT_SFTP_CODEC_H
#define TRANSPORT_SFTP_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/sftp.h"

struct strbuf;

enum sftp_type {
	SFTP_INIT = 1, SFTP_VERSION = 2, SFTP_OPEN = 3, SFTP_CLOSE = 4, SFTP_READ = 5, SFTP_WRITE = 6,
	SFTP_LSTAT = 7, SFTP_FSTAT = 8, SFTP_SETSTAT = 9, SFTP_FSETSTAT = 10, SFTP_OPENDIR = 11,
	SFTP_READDIR = 12, SFTP_REMOVE = 13, SFTP_MKDIR = 14, SFTP_RMDIR = 15, SFTP_REALPATH = 16,
	SFTP_STAT = 17, SFTP_RENAME = 18, SFTP_READLINK = 19, SFTP_SYMLINK = 20,
	SFTP_STATUS = 101, SFTP_HANDLE = 102, SFTP_DATA = 103, SFTP_NAME = 104, SFTP_ATTRS = 105,
	SFTP_EXTENDED = 200, SFTP_EXTENDED_REPLY = 201,
};

enum sftp_status {
	SFTP_OK = 0, SFTP_EOF = 1, SFTP_NO_SUCH_FILE = 2, SFTP_PERMISSION_DENIED = 3, SFTP_FAILURE = 4,
	SFTP_BAD_MESSAGE = 5, SFTP_NO_CONNECTION = 6, SFTP_CONNECTION_LOST = 7, SFTP_OP_UNSUPPORTED = 8,
};

enum {
	SFTP_MAX_PACKET = 256 * 1024 + 1024, /* what OpenSSH accepts, and all we accept */
	SFTP_MAX_HANDLE = 256,
	SFTP_PROTOCOL_VERSION = 3,
};

enum { /* flags of OPEN */
	SFTP_FOR_READ = 0x1, SFTP_FOR_WRITE = 0x2, SFTP_CREATE = 0x8, SFTP_EXCLUSIVE = 0x20,
};

struct sftp_reader {
	const unsigned char *p;
	size_t left;
	bool broken;
};

void sftp_reader_init(struct sftp_reader *r, const void *p, size_t n);
uint8_t sftp_read_u8(struct sftp_reader *r);
uint32_t sftp_read_u32(struct sftp_reader *r);
uint64_t sftp_read_u64(struct sftp_reader *r);
const void *sftp_read_string(struct sftp_reader *r, size_t *len); /* points into the packet; NULL when broken */
void sftp_read_attrs(struct sftp_reader *r, struct sftp_attrs *out); /* reserved flags break the reader */

void sftp_add_u8(struct strbuf *sb, uint8_t v);
void sftp_add_u32(struct strbuf *sb, uint32_t v);
void sftp_add_u64(struct strbuf *sb, uint64_t v);
void sftp_add_string(struct strbuf *sb, const void *p, size_t n);
void sftp_add_cstring(struct strbuf *sb, const char *s);
void sftp_add_mode(struct strbuf *sb, mode_t mode); /* an attribute block of permission bits only */
void sftp_set_u32(struct strbuf *sb, size_t pos, uint32_t v); /* over four bytes that are there */

/* Begin a packet of `type` (with an id unless INIT) at the end of sb; returns its start for sftp_end_packet,
   which fills in the length. */
size_t sftp_begin_packet(struct strbuf *sb, enum sftp_type type, uint32_t id);
void sftp_end_packet(struct strbuf *sb, size_t start);

#endif
