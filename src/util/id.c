#include "util/id.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/digest.h"

static void fill_random(unsigned char *p, int n)
{
	if (RAND_bytes(p, n) != 1)
		abort();
}

/* The 12 bits of rand_a count up within a millisecond (RFC 9562, 6.2, method 1), from a random
   start in the lower half, so that ids of one process sort as they were made, even when the
   wall clock steps back. */
static void uuid7_next(int64_t now_ms, uint64_t *ms, unsigned int *seq, unsigned int random)
{
	static uint64_t last_ms;
	static unsigned int last_seq;
	uint64_t now = now_ms > 0 ? (uint64_t)now_ms : 0;

	if (now <= last_ms && last_seq < 0xfff) {
		last_seq++;
	} else {
		last_ms = now > last_ms ? now : last_ms + 1;
		last_seq = random & 0x7ff;
	}
	*ms = last_ms;
	*seq = last_seq;
}

void id_uuid7(int64_t now_ms, char out[ID_UUID_LEN + 1])
{
	unsigned char r[10];
	unsigned int seq;
	uint64_t ms;

	fill_random(r, sizeof r);
	uuid7_next(now_ms, &ms, &seq, (unsigned int)(r[8] << 8 | r[9]));
	snprintf(out, ID_UUID_LEN + 1, "%08x-%04x-7%03x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 (unsigned int)(ms >> 16 & 0xffffffff), (unsigned int)(ms & 0xffff), seq & 0xfff,
		 (r[0] & 0x3fu) | 0x80u, r[1], r[2], r[3], r[4], r[5], r[6], r[7]);
}

bool id_is_uuid(const char *s)
{
	int i;

	for (i = 0; i < ID_UUID_LEN; i++) {
		bool hyphen = i == 8 || i == 13 || i == 18 || i == 23;
		bool hex = (s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'f');

		if (hyphen ? s[i] != '-' : !hex)
			return false;
	}
	return s[i] == '\0';
}

void id_token(char out[ID_TOKEN_LEN + 1])
{
	unsigned char r[ID_TOKEN_LEN / 2];
	int i;

	fill_random(r, sizeof r);
	for (i = 0; i < ID_TOKEN_LEN / 2; i++)
		snprintf(out + 2 * i, 3, "%02x", r[i]);
}

bool id_is_token(const char *s)
{
	return digest_is_hex(s, ID_TOKEN_LEN);
}
