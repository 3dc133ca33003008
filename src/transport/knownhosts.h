/*
 * knownhosts - is this the host's key?  Our own matcher of sshd(8)'s SSH_KNOWN_HOSTS
 * FILE FORMAT, because libssh2's ignores @revoked, drops every line after a bad one, and
 * says NOTFOUND for another key type.
 *
 * Understood: several files, hashed names (|1|salt|hash), [host]:port, wildcards, negation,
 * @revoked (fatal wherever it matches), @cert-authority (reported: this transport cannot
 * check certificates).  Bad lines are skipped with a warning.
 */
#ifndef TRANSPORT_KNOWNHOSTS_H
#define TRANSPORT_KNOWNHOSTS_H

#include <stdbool.h>
#include <stddef.h>

struct error;
struct strvec;

enum knownhosts_verdict {
	KNOWNHOSTS_UNKNOWN, /* no key of any type is known for the host */
	KNOWNHOSTS_MATCH,
	KNOWNHOSTS_CHANGED, /* another key of the same type is known */
	KNOWNHOSTS_OTHER_TYPE, /* only keys of other types are known: not "unknown", never accepted as new */
	KNOWNHOSTS_REVOKED,
	KNOWNHOSTS_CERT_ONLY, /* only @cert-authority lines match */
};

struct knownhosts_result {
	enum knownhosts_verdict verdict;
	char place[512]; /* "FILE:LINE" of the line that decided, or empty */
};

/* The key types known for the host, in the order of the files ("ssh-ed25519", ...), without repeats: offer them in
   this order.  Files that do not exist are fine. */
int knownhosts_types(const struct strvec *files, const char *host, int port, struct strvec *types,
		     struct error *err);

/* Judge a key: its type word and its blob (RFC 4253, 6.6).  An unreadable existing file is an error
   (HOSTKEY): it might hold a revocation. */
int knownhosts_check(const struct strvec *files, const char *host, int port, const char *type,
		     const void *blob, size_t blob_len, struct knownhosts_result *out, struct error *err);

/* "SHA256:..." as ssh-keygen -l prints it; out has room for 64 bytes. */
void knownhosts_fingerprint(const void *blob, size_t blob_len, char out[64]);

#endif
