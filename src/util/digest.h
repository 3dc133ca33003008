/*
 * digest - SHA-256, streaming (OpenSSL EVP).
 */
#ifndef UTIL_DIGEST_H
#define UTIL_DIGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { DIGEST_BYTES = 32, DIGEST_HEX = 64 };

struct digest;

struct digest *digest_new(void);
void digest_add(struct digest *d, const void *p, size_t n);
void digest_finish_hex(struct digest *d, char hex[DIGEST_HEX + 1]); /* lower case; d is spent: free it */
void digest_free(struct digest *d);

void digest_hex(const void *p, size_t n, char hex[DIGEST_HEX + 1]); /* of a buffer */
bool digest_is_hex(const char *s, size_t len);                      /* len lower-case hex digits, then 0 */

#endif
