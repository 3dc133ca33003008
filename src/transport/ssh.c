#include "transport/ssh.h"

#include <ctype.h>
#include <errno.h>
#include <pwd.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/cluster.h"
#include "util/log.h"
#include "util/strbuf.h"
#include "util/xalloc.h"

enum {
	/* No honest packet needs more than 40000 bytes; a length that the host invents is not even tried. */
	ALLOC_MAX = 1 << 20,
	/* Ten channels (MaxSessions) with full windows, and half as much again for being wrong. */
	ALLOC_TOTAL_MAX = 15 * SSH_WINDOW_MAX,
	VERSION_RSA_SHA2 = 0x010b00,
	VERSION_STRICT_KEX = 0x010b01,
};

/* --- algorithms ----------------------------------------------------------- */

/* In the order offered, which is the order of choice; names this libssh2 lacks are left out.  No SHA-1, no CBC. */
static const char *const kex[] = {
	"curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384",
	"ecdh-sha2-nistp521", "diffie-hellman-group-exchange-sha256", "diffie-hellman-group16-sha512",
	"diffie-hellman-group18-sha512", "diffie-hellman-group14-sha256",
	"ext-info-c", "kex-strict-c-v00@openssh.com", /* not methods, but announced among them */
	NULL,
};

/* libssh2 computes CTR one block a call: the shorter key is the faster one.  GCM is computed in bulk, without a MAC. */
static const char *const ciphers[] = {
	"aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes256-ctr", "aes192-ctr",
	"chacha20-poly1305@openssh.com", NULL,
};
static const char *const macs[] = {
	"hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512", NULL,
};
static const char *const compression[] = { "none", NULL };

/* Open to a forged prefix (CVE-2023-48795) without strict key exchange. */
static const char *const need_strict_kex[] = {
	"chacha20-poly1305@openssh.com", "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", NULL,
};

static const struct {
	int method;
	const char *const *names;
} preferences[] = {
	{ LIBSSH2_METHOD_KEX, kex },
	{ LIBSSH2_METHOD_CRYPT_CS, ciphers },
	{ LIBSSH2_METHOD_CRYPT_SC, ciphers },
	{ LIBSSH2_METHOD_MAC_CS, macs },
	{ LIBSSH2_METHOD_MAC_SC, macs },
	{ LIBSSH2_METHOD_COMP_CS, compression },
	{ LIBSSH2_METHOD_COMP_SC, compression },
};

static bool is_version(int at_least)
{
	return libssh2_version(at_least) != NULL;
}

bool ssh_has_rsa_sha2(void)
{
	return is_version(VERSION_RSA_SHA2);
}

static bool is_in(const char *name, const char *const *names, int n)
{
	for (int i = 0; i != n && names[i]; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* libssh2_session_method_pref strips what it does not know with an overlapping memcpy: give it nothing to strip. */
int ssh_prefer(struct ssh *ssh, int method, const char *const *names, struct error *err)
{
	struct strbuf list = STRBUF_INIT;
	const char **have = NULL;
	int n = libssh2_session_supported_algs(ssh->session, method, &have), rc;

	for (; n > 0 && *names; names++) {
		if (!is_in(*names, have, n) || (!is_version(VERSION_STRICT_KEX) && is_in(*names, need_strict_kex, -1)))
			continue;
		strbuf_addf(&list, "%s%s", list.len ? "," : "", *names);
	}
	rc = n > 0 ? libssh2_session_method_pref(ssh->session, method, list.buf) : n;
	strbuf_release(&list);
	if (n > 0)
		libssh2_free(ssh->session, have);
	return rc == 0 ? 0 : ssh_fail(ssh, rc, err);
}

/* --- errors --------------------------------------------------------------- */

/* The one translation of libssh2's codes. */
static const struct {
	int rc;
	enum error_kind kind;
	const char *text;
} meanings[] = {
	{ LIBSSH2_ERROR_SOCKET_NONE, ERROR_PROTOCOL, "an unexpected reply" },
	{ LIBSSH2_ERROR_BANNER_RECV, ERROR_PROTOCOL, "no ssh server answers" },
	{ LIBSSH2_ERROR_BANNER_SEND, ERROR_NETWORK, "cannot send" },
	{ LIBSSH2_ERROR_INVALID_MAC, ERROR_PROTOCOL, "a damaged packet (MAC)" },
	{ LIBSSH2_ERROR_KEX_FAILURE, ERROR_REFUSED, "no common algorithms" },
	{ LIBSSH2_ERROR_ALLOC, ERROR_PROTOCOL, "a reply of an absurd size" },
	{ LIBSSH2_ERROR_SOCKET_SEND, ERROR_NETWORK, "cannot send" },
	{ LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE, ERROR_PROTOCOL, "the key exchange failed" },
	{ LIBSSH2_ERROR_TIMEOUT, ERROR_NETWORK, "no answer" },
	{ LIBSSH2_ERROR_HOSTKEY_INIT, ERROR_PROTOCOL, "a damaged host key" },
	{ LIBSSH2_ERROR_HOSTKEY_SIGN, ERROR_HOSTKEY, "the host cannot prove that its key is its own" },
	{ LIBSSH2_ERROR_DECRYPT, ERROR_PROTOCOL, "a damaged packet" },
	{ LIBSSH2_ERROR_SOCKET_DISCONNECT, ERROR_NETWORK, "closed by the host" },
	{ LIBSSH2_ERROR_PROTO, ERROR_PROTOCOL, "an invalid packet" },
	{ LIBSSH2_ERROR_METHOD_NONE, ERROR_AUTH, "no way to log in" },
	{ LIBSSH2_ERROR_AUTHENTICATION_FAILED, ERROR_AUTH, "the key was not accepted" },
	{ LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED, ERROR_AUTH, "the signature was not accepted" },
	{ LIBSSH2_ERROR_CHANNEL_FAILURE, ERROR_REFUSED, "no further channel (MaxSessions of the host's sshd?)" },
	{ LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED, ERROR_REFUSED, "request denied" },
	{ LIBSSH2_ERROR_REQUEST_DENIED, ERROR_REFUSED, "request denied" },
	{ LIBSSH2_ERROR_METHOD_NOT_SUPPORTED, ERROR_REFUSED, "no common algorithms" },
	{ LIBSSH2_ERROR_SOCKET_TIMEOUT, ERROR_NETWORK, "no answer" },
	{ LIBSSH2_ERROR_OUT_OF_BOUNDARY, ERROR_PROTOCOL, "a packet of an invalid length" },
	{ LIBSSH2_ERROR_SOCKET_RECV, ERROR_NETWORK, "cannot receive" },
	{ LIBSSH2_ERROR_BUFFER_TOO_SMALL, ERROR_PROTOCOL, "a packet that is cut short" },
	{ LIBSSH2_ERROR_INVAL, ERROR_INTERNAL, "invalid use" },
	{ LIBSSH2_ERROR_BAD_USE, ERROR_INTERNAL, "invalid use" },
};

static const char *lacking(void)
{
	if (!is_version(VERSION_RSA_SHA2))
		return "rsa-sha2, aes-gcm, chacha20, -etm or post-quantum algorithms";
	if (!is_version(VERSION_STRICT_KEX))
		return "safe chacha20 or -etm, and no post-quantum, algorithms";
	return "post-quantum algorithms";
}

static int no_agreement(const struct ssh *ssh, struct error *err)
{
	return error_set(err, ERROR_REFUSED, "cannot agree on algorithms with '%s' port %d (libssh2 %s has no %s); ask "
			 "its administrator for an ed25519 or ecdsa host key, curve25519-sha256, aes128-ctr and "
			 "hmac-sha2-256, or use a newer libssh2", ssh->host, ssh->port, libssh2_version(0), lacking());
}

static int describe_failure(const struct ssh *ssh, int rc, struct error *err)
{
	enum error_kind kind = ERROR_INTERNAL;
	const char *text = "unexpected error", *host = ssh->host;
	int port = ssh->port;

	for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
		if (meanings[i].rc == rc) {
			kind = meanings[i].kind;
			text = meanings[i].text;
		}
	if (kind == ERROR_REFUSED && !ssh->ready && rc != LIBSSH2_ERROR_CHANNEL_FAILURE)
		return no_agreement(ssh, err);
	if (ssh->goodbye[0])
		return error_set(err, ERROR_NETWORK, "'%s' port %d ended the connection: %s", host, port, ssh->goodbye);
	if (ssh->closed && ssh->errnum == EMSGSIZE)
		return error_set(err, ERROR_PROTOCOL, "connection to '%s' port %d: what answers talks too much for an "
				 "ssh server", host, port);
	if (ssh->closed && ssh->errnum)
		return error_errno(err, ERROR_NETWORK, ssh->errnum, "connection to '%s' port %d", host, port);
	if (ssh->closed)
		return error_set(err, ERROR_NETWORK, "connection to '%s' port %d closed by the host%s", host, port,
				 ssh->ready ? "" : " before login");
	return error_set(err, kind, "connection to '%s' port %d: %s (libssh2 error %d)", host, port, text, rc);
}

int ssh_fail(struct ssh *ssh, int rc, struct error *err)
{
	struct error why = { 0 };

	if (ssh->broken)
		why = ssh->why;
	else
		describe_failure(ssh, rc, &why);
	if (ssh->ready && !ssh->closed) {
		ssh->broken = true;
		ssh->why = why;
	}
	return error_set(err, why.kind, "%s", why.text);
}

/* --- memory --------------------------------------------------------------- */

/* What libssh2 allocates is counted and kept in a list: a host cannot make it hold more than ALLOC_TOTAL_MAX, in tiny
   packets that its window does not count in full, and what it forgets (a host key at each new key exchange) is given
   back with the session. */
struct ssh_block {
	struct ssh_block *prev, *next;
	size_t size;
	_Alignas(max_align_t) char data[];
};

static LIBSSH2_ALLOC_FUNC(on_alloc)
{
	struct ssh *ssh = *abstract;
	struct ssh_block *b;

	if (count > ALLOC_MAX || ssh->allocated + count > ALLOC_TOTAL_MAX)
		return NULL;
	b = xmalloc(sizeof *b + count + 1);
	b->size = sizeof *b + count;
	b->prev = NULL;
	b->next = ssh->blocks;
	b->data[0] = '\0'; /* libssh2 may take for a string what the host's packet was too short to fill */
	if (b->next)
		b->next->prev = b;
	ssh->blocks = b;
	ssh->allocated += b->size;
	return b->data;
}

static LIBSSH2_FREE_FUNC(on_free)
{
	struct ssh *ssh = *abstract;
	struct ssh_block *b;

	if (!ptr)
		return;
	b = (struct ssh_block *)((char *)ptr - offsetof(struct ssh_block, data));
	if (b->prev)
		b->prev->next = b->next;
	else
		ssh->blocks = b->next;
	if (b->next)
		b->next->prev = b->prev;
	ssh->allocated -= b->size;
	free(b);
}

static LIBSSH2_REALLOC_FUNC(on_realloc)
{
	size_t old = ptr ? ((struct ssh_block *)((char *)ptr - offsetof(struct ssh_block, data)))->size : 0;
	char *p = on_alloc(count, abstract);

	if (!p || !ptr)
		return p;
	old -= sizeof(struct ssh_block);
	memcpy(p, ptr, old < count ? old : count);
	on_free(ptr, abstract);
	return p;
}

static void free_blocks(struct ssh *ssh)
{
	void *abstract = ssh;

	while (ssh->blocks)
		on_free(ssh->blocks->data, &abstract);
}

/* --- open and close ------------------------------------------------------- */

/* The configuration has checked them; here they go to a resolver and into messages with commands to type. */
static int check_name(const char *what, const char *name, struct error *err)
{
	if (!name || !*name)
		return error_set(err, ERROR_CONFIG, "no %s", what);
	if (*name == '-')
		return error_set(err, ERROR_CONFIG, "%s '%s' begins with '-'", what, name);
	for (const char *p = name; *p; p++)
		if (isspace((unsigned char)*p) || iscntrl((unsigned char)*p))
			return error_set(err, ERROR_CONFIG, "%s has a blank or a control character", what);
	return 0;
}

static struct ssh *make(const struct cluster *cluster, deadline_t deadline, bool ask_ahead)
{
	struct ssh *ssh = xcalloc(1, sizeof *ssh);
	const struct passwd *pw = cluster->user ? NULL : getpwuid(getuid());

	ssh->base.ops = &transport_ssh;
	ssh->host = xstrdup_null(cluster->host);
	ssh->user = xstrdup_null(cluster->user ? cluster->user : pw ? pw->pw_name : NULL);
	ssh->port = cluster->port;
	ssh->fd = ssh->timer = -1;
	ssh->timeout_ms = cluster->connect_timeout_ms;
	ssh->deadline = deadline;
	ssh->may_ask_ahead = ask_ahead;
	strbuf_init(&ssh->out);
	return ssh;
}

static int start_session(struct ssh *ssh, struct error *err)
{
	static bool initialised;

	if (!initialised && libssh2_init(0) != 0)
		return error_set(err, ERROR_INTERNAL, "libssh2 cannot start");
	initialised = true;
	ssh->session = libssh2_session_init_ex(on_alloc, on_free, on_realloc, ssh);
	if (!ssh->session)
		return error_set(err, ERROR_INTERNAL, "libssh2 cannot start a session");
	libssh2_session_set_blocking(ssh->session, 0);
	ssh_socket_set_callbacks(ssh);
	for (size_t i = 0; i < sizeof preferences / sizeof preferences[0]; i++)
		if (ssh_prefer(ssh, preferences[i].method, preferences[i].names, err) != 0)
			return -1;
	return 0;
}

static int handshake(struct ssh *ssh, struct error *err)
{
	int rc;

	while ((rc = libssh2_session_handshake(ssh->session, ssh->fd)) == LIBSSH2_ERROR_EAGAIN)
		if (ssh_socket_wait(ssh, err) != 0)
			return -1;
	return rc == 0 ? 0 : ssh_fail(ssh, rc, err);
}

static void describe(struct ssh *ssh)
{
	static const int methods[] = {
		LIBSSH2_METHOD_KEX, LIBSSH2_METHOD_HOSTKEY, LIBSSH2_METHOD_CRYPT_CS, LIBSSH2_METHOD_MAC_CS,
	};
	struct strbuf sb = STRBUF_INIT;

	strbuf_addf(&sb, "ssh: libssh2 %s", libssh2_version(0));
	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
		const char *name = libssh2_session_methods(ssh->session, methods[i]);

		strbuf_addf(&sb, ", %s", name ? name : "?");
	}
	snprintf(ssh->describe, sizeof ssh->describe, "%s", sb.buf);
	strbuf_release(&sb);
}

static void ssh_close(struct transport *t)
{
	struct ssh *ssh = (struct ssh *)t;

	if (ssh->ready && !ssh->broken && !ssh->closed) {
		libssh2_session_disconnect(ssh->session, "done");
		ssh_socket_flush(ssh);
	}
	ssh_socket_close(ssh); /* first: nothing below can wait for the host */
	ssh_channel_free_all(ssh);
	if (ssh->session)
		libssh2_session_free(ssh->session);
	free_blocks(ssh);
	free(ssh->host);
	free(ssh->user);
	free(ssh);
}

static int log_in(struct ssh *ssh, const struct cluster *cluster, struct error *err)
{
	if (check_name("host", ssh->host, err) != 0 || check_name("user", ssh->user, err) != 0 ||
	    ssh_socket_connect(ssh, cluster->timeout_ms, err) != 0 ||
	    start_session(ssh, err) != 0 ||
	    ssh_hostkey_prefer(ssh, cluster, err) != 0 ||
	    handshake(ssh, err) != 0 ||
	    ssh_hostkey_check(ssh, cluster, err) != 0)
		return -1;
	return ssh_auth(ssh, cluster, err);
}

static struct transport *ssh_open(const struct cluster *cluster, struct error *err)
{
	deadline_t deadline = deadline_in_ms(cluster->connect_timeout_ms);
	struct ssh *ssh = make(cluster, deadline, true);
	int rc = log_in(ssh, cluster, err);

	if (rc != 0 && ssh->must_start_over) {
		ssh_close(&ssh->base);
		ssh = make(cluster, deadline, false);
		rc = log_in(ssh, cluster, err);
	}
	if (rc != 0) {
		ssh_close(&ssh->base);
		return NULL;
	}
	ssh->ready = true;
	describe(ssh);
	log_debug("cluster '%s': logged in to '%s' port %d as '%s' (%s)", cluster->name, ssh->host, ssh->port,
		  ssh->user, ssh->describe);
	return &ssh->base;
}

static const char *ssh_describe(const struct transport *t)
{
	return ((const struct ssh *)t)->describe;
}

static int64_t ssh_round_trip_ms(const struct transport *t)
{
	int64_t ms = ((const struct ssh *)t)->round_trip_ms;

	return ms == INT64_MAX ? -1 : ms;
}

const struct transport_ops transport_ssh = {
	.name = "ssh",
	.open = ssh_open,
	.channel = ssh_channel_open,
	.describe = ssh_describe,
	.round_trip_ms = ssh_round_trip_ms,
	.close = ssh_close,
};
