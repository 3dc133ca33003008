#include "transport/sftp_codec.h"

#include <string.h>

#include "util/strbuf.h"

enum { /* flags of an attribute block */
	ATTR_SIZE = 0x1,
	ATTR_UIDGID = 0x2,
	ATTR_PERMISSIONS = 0x4,
	ATTR_ACMODTIME = 0x8,
	ATTR_KNOWN = 0xf,
};
static const uint32_t ATTR_EXTENDED = 0x80000000u;

void sftp_reader_init(struct sftp_reader *r, const void *p, size_t n)
{
	r->p = p;
	r->left = n;
	r->broken = false;
}

static const unsigned char *take(struct sftp_reader *r, size_t n)
{
	const unsigned char *p = r->p;

	if (r->broken || n > r->left) {
		r->broken = true;
		r->left = 0;
		return NULL;
	}
	r->p += n;
	r->left -= n;
	return p;
}

uint8_t sftp_read_u8(struct sftp_reader *r)
{
	const unsigned char *p = take(r, 1);

	return p ? p[0] : 0;
}

uint32_t sftp_read_u32(struct sftp_reader *r)
{
	const unsigned char *p = take(r, 4);

	return p ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3] : 0;
}

uint64_t sftp_read_u64(struct sftp_reader *r)
{
	uint64_t high = sftp_read_u32(r);
	uint64_t low = sftp_read_u32(r);

	return r->broken ? 0 : high << 32 | low;
}

const void *sftp_read_string(struct sftp_reader *r, size_t *len)
{
	uint32_t n = sftp_read_u32(r);
	const unsigned char *p = take(r, n);

	*len = p ? n : 0;
	return p;
}

void sftp_read_attrs(struct sftp_reader *r, struct sftp_attrs *out)
{
	struct sftp_attrs a = { 0 };
	uint32_t flags = sftp_read_u32(r);
	size_t len;

	if (flags & ~(ATTR_KNOWN | ATTR_EXTENDED))
		take(r, r->left + 1); /* what a reserved flag brings along has no known length */
	if (flags & ATTR_SIZE) {
		a.has_size = true;
		a.size = sftp_read_u64(r);
	}
	if (flags & ATTR_UIDGID)
		sftp_read_u64(r);
	if (flags & ATTR_PERMISSIONS) {
		a.has_mode = true;
		a.mode = sftp_read_u32(r);
	}
	if (flags & ATTR_ACMODTIME) {
		a.has_times = true;
		sftp_read_u32(r);
		a.mtime = sftp_read_u32(r);
	}
	if (flags & ATTR_EXTENDED)
		for (uint32_t n = sftp_read_u32(r); n > 0 && !r->broken; n--) {
			sftp_read_string(r, &len);
			sftp_read_string(r, &len);
		}
	*out = r->broken ? (struct sftp_attrs){ 0 } : a;
}

void sftp_add_u8(struct strbuf *sb, uint8_t v)
{
	strbuf_add(sb, &v, 1);
}

static void put_u32(unsigned char b[4], uint32_t v)
{
	b[0] = (unsigned char)(v >> 24);
	b[1] = (unsigned char)(v >> 16);
	b[2] = (unsigned char)(v >> 8);
	b[3] = (unsigned char)v;
}

void sftp_add_u32(struct strbuf *sb, uint32_t v)
{
	unsigned char b[4];

	put_u32(b, v);
	strbuf_add(sb, b, sizeof b);
}

void sftp_add_u64(struct strbuf *sb, uint64_t v)
{
	sftp_add_u32(sb, (uint32_t)(v >> 32));
	sftp_add_u32(sb, (uint32_t)v);
}

void sftp_add_string(struct strbuf *sb, const void *p, size_t n)
{
	sftp_add_u32(sb, (uint32_t)n);
	strbuf_add(sb, p, n);
}

void sftp_add_cstring(struct strbuf *sb, const char *s)
{
	sftp_add_string(sb, s, strlen(s));
}

void sftp_add_mode(struct strbuf *sb, mode_t mode)
{
	sftp_add_u32(sb, ATTR_PERMISSIONS);
	sftp_add_u32(sb, (uint32_t)mode & 07777);
}

size_t sftp_begin_packet(struct strbuf *sb, enum sftp_type type, uint32_t id)
{
	size_t start = sb->len;

	sftp_add_u32(sb, 0);
	sftp_add_u8(sb, (uint8_t)type);
	if (type != SFTP_INIT)
		sftp_add_u32(sb, id);
	return start;
}

void sftp_set_u32(struct strbuf *sb, size_t pos, uint32_t v)
{
	put_u32((unsigned char *)sb->buf + pos, v);
}

void sftp_end_packet(struct strbuf *sb, size_t start)
{
	sftp_set_u32(sb, start, (uint32_t)(sb->len - start - 4));
}
