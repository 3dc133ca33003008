#include "transport/ssh.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config/cluster.h"
#include "transport/knownhosts.h"
#include "util/shquote.h"
#include "util/strvec.h"
#include "util/xalloc.h"

/* What to ask the host for, when nothing is known about it in this order, and the type of key it proves.  No DSA, no
   SHA-1, and no certificates, whose authority libssh2 does not check. */
static const struct {
	const char *method, *type;
} methods[] = {
	{ "ssh-ed25519", "ssh-ed25519" },
	{ "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256" },
	{ "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384" },
	{ "ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521" },
	{ "rsa-sha2-512", "ssh-rsa" },
	{ "rsa-sha2-256", "ssh-rsa" },
};

enum { METHODS = sizeof methods / sizeof methods[0] };

static size_t add_methods(const char **names, size_t n, const char *type)
{
	for (size_t m = 0; m < METHODS; m++) {
		bool have = type && strcmp(type, methods[m].type) != 0;

		for (size_t i = 0; i < n; i++)
			have = have || names[i] == methods[m].method;
		if (!have)
			names[n++] = methods[m].method;
	}
	return n;
}

int ssh_hostkey_prefer(struct ssh *ssh, const struct cluster *cluster, struct error *err)
{
	const char *names[METHODS + 1] = { NULL };
	struct strvec types = STRVEC_INIT;
	size_t n = 0;
	int rc = -1;

	if (knownhosts_types(&cluster->known_hosts, ssh->host, ssh->port, &types, err) != 0)
		goto out;
	for (size_t i = 0; i < types.n; i++)
		n = add_methods(names, n, types.v[i]);
	add_methods(names, n, NULL);
	rc = ssh_prefer(ssh, LIBSSH2_METHOD_HOSTKEY, names, err);
out:
	strvec_release(&types);
	return rc;
}

struct key {
	const char *blob;
	size_t len;
	char type[64];
	char fingerprint[KNOWNHOSTS_FINGERPRINT];
};

/* What to type once the key was compared.  New string. */
static char *keyscan(const struct ssh *ssh, const struct cluster *cluster)
{
	char *host = shquote(ssh->host);
	char *file = cluster->known_hosts.n ? shquote(cluster->known_hosts.v[0]) : xstrdup("~/.ssh/known_hosts");
	char *command = xasprintf("ssh-keyscan -p %d %s >> %s", ssh->port, host, file);

	free(host);
	free(file);
	return command;
}

static int say(const struct ssh *ssh, struct error *err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int say(const struct ssh *ssh, struct error *err, const char *fmt, ...)
{
	struct error text = { 0 };
	va_list ap;

	va_start(ap, fmt);
	error_vset(&text, ERROR_HOSTKEY, fmt, ap);
	va_end(ap);
	return error_set(err, ERROR_HOSTKEY, "host key of '%s' port %d %s", ssh->host, ssh->port, text.text);
}

/* 0 for the right key; anything else is an error with what to do next. */
static int answer(const struct ssh *ssh, const struct cluster *cluster, const struct key *key,
		  const struct knownhosts_result *r, struct error *err)
{
	char *command = keyscan(ssh, cluster);
	int rc = -1;

	switch (r->verdict) {
	case KNOWNHOSTS_MATCH:
		rc = 0;
		break;
	case KNOWNHOSTS_UNKNOWN:
		say(ssh, err, "is not known (%s %s); compare it with the administrator's, then: %s", key->type,
		    key->fingerprint, command);
		break;
	case KNOWNHOSTS_CHANGED:
		say(ssh, err, "has changed: %s says %s %s, the host shows %s; refusing to connect, somebody may be in "
		    "between; ask the administrator, and remove that line only if the change is theirs", r->place,
		    r->known_type, r->known, key->fingerprint);
		break;
	case KNOWNHOSTS_OTHER_TYPE:
		say(ssh, err, "is of another type than the known one: %s says %s %s, the host shows %s %s; refusing to "
		    "connect; compare it with the administrator's, then: %s", r->place, r->known_type, r->known,
		    key->type, key->fingerprint, command);
		break;
	case KNOWNHOSTS_REVOKED:
		say(ssh, err, "is revoked in %s (%s %s); refusing to connect; ask the administrator", r->place,
		    key->type, key->fingerprint);
		break;
	case KNOWNHOSTS_CERT_ONLY:
		say(ssh, err, "is vouched for by a certificate authority only (%s), which libssh2 cannot check; "
		    "compare it (%s %s) with the administrator's, then: %s", r->place, key->type, key->fingerprint,
		    command);
		break;
	}
	free(command);
	return rc;
}

int ssh_hostkey_check(struct ssh *ssh, const struct cluster *cluster, struct error *err)
{
	struct knownhosts_result result;
	struct key key = { 0 };
	int type;

	key.blob = libssh2_session_hostkey(ssh->session, &key.len, &type);
	if (!key.blob || !ssh_identity_blob_type(key.blob, key.len, key.type, sizeof key.type))
		return error_set(err, ERROR_PROTOCOL, "'%s' port %d shows a damaged host key", ssh->host, ssh->port);
	knownhosts_fingerprint(key.blob, key.len, key.fingerprint);
	if (knownhosts_check(&cluster->known_hosts, ssh->host, ssh->port, key.type, key.blob, key.len, &result,
			     err) != 0)
		return -1;
	return answer(ssh, cluster, &key, &result, err);
}
