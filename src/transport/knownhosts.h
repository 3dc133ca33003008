/*
 * knownhosts - is this the host's key?  Our own matcher of sshd(8)'s SSH_KNOWN_HOSTS
 * FILE FORMAT, because libssh2's ignores @revoked, drops every line after a bad one, and
 * says NOTFOUND for another key type.
 *
 * Understood: several files, hashed names (|1|salt|hash), [host]:port, wildcards, negation,
 * @revoked (fatal wherever it matches), @cert-authority (reported: this transport cannot
 * check certificates).  Bad lines are skipped with a warning.
 *
 * A key is looked for as ssh-keygen -F does: on a port other than 22 only as [host]:port.
 * ssh(1) falls back to the name without the port and accepts a key that matches there; here
 * such a host is unknown, because one machine may forward a port to another.  Addresses are
 * not looked up beside names (CheckHostIP=no).
 */
#ifndef TRANSPORT_KNOWNHOSTS_H
#define TRANSPORT_KNOWNHOSTS_H

#include <stdbool.h>
#include <stddef.h>

struct error;
struct strvec;

enum { KNOWNHOSTS_FINGERPRINT = 64 };

enum knownhosts_verdict {
	KNOWNHOSTS_UNKNOWN, /* no key of any type is known for the host */
	KNOWNHOSTS_CERT_ONLY, /* only @cert-authority lines match */
	KNOWNHOSTS_OTHER_TYPE, /* only keys of other types are known: not "unknown", never accepted as new */
	KNOWNHOSTS_CHANGED, /* another key of the same type is known */
	KNOWNHOSTS_MATCH,
	KNOWNHOSTS_REVOKED,
}; /* weakest first: the strongest line decides, wherever it stands */

struct knownhosts_result {
	enum knownhosts_verdict verdict;
	char place[512]; /* "FILE:LINE" of the line that decided, or empty */
	char known[KNOWNHOSTS_FINGERPRINT]; /* fingerprint of the key in that line, or empty */
	char known_type[64]; /* its type, or empty */
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
void knownhosts_fingerprint(const void *blob, size_t blob_len, char out[KNOWNHOSTS_FINGERPRINT]);

#endif
