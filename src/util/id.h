/*
 * id - names nobody else has: UUIDv7 (RFC 9562, 5.7) for jobs, 128 random bits
 * in hex for tokens and nonces.
 */
#ifndef UTIL_ID_H
#define UTIL_ID_H

#include <stdbool.h>
#include <stdint.h>

enum { ID_UUID_LEN = 36, ID_TOKEN_LEN = 32 };

void id_uuid7(int64_t now_ms, char out[ID_UUID_LEN + 1]); /* lower case, hyphens */
bool id_is_uuid(const char *s);
void id_token(char out[ID_TOKEN_LEN + 1]);                /* lower-case hex */
bool id_is_token(const char *s);

#endif
