#include "util/digest.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "util/xalloc.h"

struct digest {
	EVP_MD_CTX *ctx;
};

/* SHA-256 in memory fails only when the library itself is broken. */
static void must(int ok)
{
	if (ok != 1)
		abort();
}

static void to_hex(const unsigned char *bytes, char hex[DIGEST_HEX + 1])
{
	static const char digits[] = "0123456789abcdef";
	int i;

	for (i = 0; i < DIGEST_BYTES; i++) {
		hex[2 * i] = digits[bytes[i] >> 4];
		hex[2 * i + 1] = digits[bytes[i] & 15];
	}
	hex[DIGEST_HEX] = '\0';
}

struct digest *digest_new(void)
{
	struct digest *d = xmalloc(sizeof *d);

	d->ctx = EVP_MD_CTX_new();
	must(d->ctx != NULL);
	must(EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL));
	return d;
}

void digest_add(struct digest *d, const void *p, size_t n)
{
	must(EVP_DigestUpdate(d->ctx, p, n));
}

void digest_finish_hex(struct digest *d, char hex[DIGEST_HEX + 1])
{
	unsigned char bytes[DIGEST_BYTES];
	unsigned int n = 0;

	must(EVP_DigestFinal_ex(d->ctx, bytes, &n));
	must(n == DIGEST_BYTES);
	to_hex(bytes, hex);
}

void digest_free(struct digest *d)
{
	if (!d)
		return;
	EVP_MD_CTX_free(d->ctx);
	free(d);
}

void digest_hex(const void *p, size_t n, char hex[DIGEST_HEX + 1])
{
	struct digest *d = digest_new();

	digest_add(d, p, n);
	digest_finish_hex(d, hex);
	digest_free(d);
}

bool digest_is_hex(const char *s, size_t len)
{
	return strspn(s, "0123456789abcdef") == len && s[len] == '\0';
}
