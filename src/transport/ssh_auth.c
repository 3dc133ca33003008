#include "transport/ssh.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/cluster.h"
#include "util/log.h"
#include "util/path.h"
#include "util/shquote.h"
#include "util/vis.h"
#include "util/xalloc.h"

enum {
	TRIES_MAX = 5,       /* MaxAuthTries of sshd is 6, and the last one ends the connection */
	AGENT_KEYS_MAX = 64,
	ASK_AND_SIGN = 2,    /* packets of a try that was accepted */
};

static const char *const usual_names[] = { "id_ed25519", "id_ecdsa", "id_rsa" };

struct auth {
	struct ssh *ssh;
	struct ssh_identity *ids;
	size_t n_ids;
	LIBSSH2_AGENT *agent;
	struct libssh2_agent_publickey *keys[AGENT_KEYS_MAX]; /* of the agent, in the order to try them */
	size_t n_keys, agent_tries;
	int tries;
	bool signature_refused;   /* the key was known, and the signature was not enough */
	struct strbuf tried;      /* files, for the message */
	struct strbuf unusable;
};

/* --- one try -------------------------------------------------------------- */

/* The signature is on its way and nothing more is needed of us: ask for the first channel in the same breath, which
   saves a round trip.  The host reads in order, so it is logged in before it sees this; ssh_channel.c takes the
   opening over.  True when libssh2 read the wire once more, perhaps the answer to the signature. */
static bool open_ahead(struct ssh *ssh, uint64_t before)
{
	if (!ssh->may_ask_ahead || ssh->asked_ahead || ssh->packets != before + ASK_AND_SIGN)
		return false;
	ssh->asked_ahead = true;
	ssh->spare = ssh_channel_ask(ssh);
	return true;
}

/* Between two calls of libssh2 that would have blocked. */
static int wait_for_answer(struct ssh *ssh, uint64_t before, struct error *err)
{
	return open_ahead(ssh, before) ? 0 : ssh_socket_wait(ssh, err);
}

static enum answer settle(struct auth *a, int rc, uint64_t before, struct error *err)
{
	struct ssh *ssh = a->ssh;

	if (rc == 0)
		return ANSWER_YES;
	if (ssh->goodbye[0])
		return ANSWER_NO; /* MaxAuthTries of the host, say */
	if (ssh->closed || rc == LIBSSH2_ERROR_TIMEOUT || rc == LIBSSH2_ERROR_ALLOC) {
		ssh_fail(ssh, rc, err);
		return ANSWER_UNKNOWN;
	}
	if (ssh->packets >= before + ASK_AND_SIGN)
		a->signature_refused = true;
	return ANSWER_NO;
}

static enum answer try_key(struct auth *a, struct libssh2_agent_publickey *key, struct error *err)
{
	struct ssh *ssh = a->ssh;
	uint64_t before = ssh->packets;
	int rc;

	while ((rc = libssh2_agent_userauth(a->agent, ssh->user, key)) == LIBSSH2_ERROR_EAGAIN)
		if (wait_for_answer(ssh, before, err) != 0)
			return ANSWER_UNKNOWN;
	a->tries++;
	a->agent_tries++;
	return settle(a, rc, before, err);
}

static void add_item(struct strbuf *sb, const char *name, const char *obstacle)
{
	strbuf_addf(sb, "%s%s%s%s", sb->len ? ", " : "", name, obstacle ? ": " : "", obstacle ? obstacle : "");
}

static enum answer try_file(struct auth *a, const struct ssh_identity *id, struct error *err)
{
	struct ssh *ssh = a->ssh;
	uint64_t before = ssh->packets;
	int rc;

	while ((rc = libssh2_userauth_publickey_frommemory(ssh->session, ssh->user, strlen(ssh->user), NULL, 0, id->key,
							   id->key_len, NULL)) == LIBSSH2_ERROR_EAGAIN)
		if (wait_for_answer(ssh, before, err) != 0)
			return ANSWER_UNKNOWN;
	if (ssh->packets == before && rc != 0 && !ssh->closed) {
		add_item(&a->unusable, id->name, "libssh2 cannot read it");
		return ANSWER_NO;
	}
	a->tries++;
	add_item(&a->tried, id->name, NULL);
	return settle(a, rc, before, err);
}

/* --- which keys ----------------------------------------------------------- */

static bool is_same_key(const struct ssh_identity *id, const struct libssh2_agent_publickey *key)
{
	return id->blob && id->blob_len == key->blob_len && memcmp(id->blob, key->blob, key->blob_len) == 0;
}

static bool is_in_agent(const struct auth *a, const struct ssh_identity *id)
{
	for (size_t i = 0; i < a->n_keys; i++)
		if (is_same_key(id, a->keys[i]))
			return true;
	return false;
}

static void add_identity(struct auth *a, const char *path, bool usual)
{
	struct ssh_identity id;

	if (ssh_identity_load(&id, path) || !usual)
		a->ids[a->n_ids++] = id;
	else
		ssh_identity_release(&id);
}

static void load_identities(struct auth *a, const struct cluster *cluster)
{
	size_t given = cluster->identity_files.n, usual = sizeof usual_names / sizeof usual_names[0];
	const char *home = getenv("HOME");
	const struct passwd *pw = home ? NULL : getpwuid(getuid());
	char *dir, *path;

	a->ids = xcalloc(given + usual, sizeof *a->ids);
	for (size_t i = 0; i < given; i++)
		add_identity(a, cluster->identity_files.v[i], false);
	if (given > 0 || (!home && !pw))
		return;
	dir = path_join(home ? home : pw->pw_dir, ".ssh");
	for (size_t i = 0; i < usual; i++) {
		path = path_join(dir, usual_names[i]);
		add_identity(a, path, true);
		free(path);
	}
	free(dir);
}

/* Keys of the agent that the configuration names come first. */
static void take_agent_key(struct auth *a, struct libssh2_agent_publickey *key, size_t *named)
{
	const char *obstacle;
	char type[64];

	if (a->n_keys == AGENT_KEYS_MAX || !ssh_identity_blob_type(key->blob, key->blob_len, type, sizeof type))
		return;
	obstacle = ssh_identity_type_obstacle(type);
	if (obstacle) {
		char *comment = vis(key->comment ? key->comment : ""), *name = xasprintf("agent key '%.40s'", comment);

		add_item(&a->unusable, name, obstacle);
		free(comment);
		free(name);
		return;
	}
	a->keys[a->n_keys++] = key;
	for (size_t i = 0; i < a->n_ids; i++) {
		if (!is_same_key(&a->ids[i], key))
			continue;
		memmove(a->keys + *named + 1, a->keys + *named, (a->n_keys - 1 - *named) * sizeof a->keys[0]);
		a->keys[(*named)++] = key;
		return;
	}
}

/* An agent that does not answer is only one way less. */
static void load_agent(struct auth *a)
{
	struct libssh2_agent_publickey *key = NULL;
	const char *path = getenv("SSH_AUTH_SOCK");
	size_t named = 0;

	if (!path || !*path)
		return;
	/* one that hangs leaves time for files */
	a->ssh->agent_deadline = deadline_in_ms(deadline_left_ms(a->ssh->deadline) / 2);
	a->agent = libssh2_agent_init(a->ssh->session);
	if (!a->agent || libssh2_agent_connect(a->agent) != 0 || libssh2_agent_list_identities(a->agent) != 0) {
		add_item(&a->unusable, "agent", "no answer at SSH_AUTH_SOCK");
		return;
	}
	while (libssh2_agent_get_identity(a->agent, &key, key) == 0)
		take_agent_key(a, key, &named);
	a->ssh->agent_deadline = a->ssh->deadline; /* its owner may have to confirm each signature */
}

static void note_obstacles(struct auth *a)
{
	for (size_t i = 0; i < a->n_ids; i++)
		if (a->ids[i].obstacle && !is_in_agent(a, &a->ids[i]))
			add_item(&a->unusable, a->ids[i].name, a->ids[i].obstacle);
}

static int count_files(const struct auth *a)
{
	int n = 0;

	for (size_t i = 0; i < a->n_ids; i++)
		n += !a->ids[i].obstacle && !is_in_agent(a, &a->ids[i]);
	return n;
}

/* --- all of them ---------------------------------------------------------- */

static bool may_try(const struct auth *a, enum answer answer, int tries_max)
{
	return answer == ANSWER_NO && a->tries < tries_max && !a->ssh->goodbye[0];
}

static enum answer try_all(struct auth *a, struct error *err)
{
	int files = count_files(a), for_agent = files < TRIES_MAX ? TRIES_MAX - files : 1;
	enum answer answer = ANSWER_NO;

	for (size_t i = 0; i < a->n_keys && may_try(a, answer, for_agent); i++)
		answer = try_key(a, a->keys[i], err);
	for (size_t i = 0; i < a->n_ids && may_try(a, answer, TRIES_MAX); i++)
		if (!a->ids[i].obstacle && !is_in_agent(a, &a->ids[i]))
			answer = try_file(a, &a->ids[i], err);
	return answer;
}

/* What the host would accept, for the message; "" when it does not say.  The question counts as a try, too. */
static char *accepted_methods(const struct auth *a)
{
	struct ssh *ssh = a->ssh;
	char *list = NULL;

	while (a->tries < TRIES_MAX && !ssh->closed && !ssh->goodbye[0]) {
		list = libssh2_userauth_list(ssh->session, ssh->user, (unsigned int)strlen(ssh->user));
		if (list || libssh2_session_last_errno(ssh->session) != LIBSSH2_ERROR_EAGAIN ||
		    ssh_socket_wait(ssh, NULL) != 0)
			break;
	}
	return vis(list ? list : "");
}

static void add_tried(const struct auth *a, struct strbuf *sb)
{
	strbuf_addstr(sb, "tried: ");
	if (a->agent_tries)
		strbuf_addf(sb, "agent (%zu key%s)%s", a->agent_tries, a->agent_tries == 1 ? "" : "s",
			    a->tried.len ? ", " : "");
	strbuf_addstr(sb, a->agent_tries || a->tried.len ? a->tried.buf : "no key");
	if (a->n_keys > a->agent_tries)
		strbuf_addf(sb, "; not tried: %zu more of the agent", a->n_keys - a->agent_tries);
	if (a->unusable.len)
		strbuf_addf(sb, "; not usable: %s", a->unusable.buf);
}

static int nothing_accepted(struct auth *a, struct error *err)
{
	struct ssh *ssh = a->ssh;
	char *login = xasprintf("%s@%s", ssh->user, ssh->host), *quoted = shquote(login);
	char *methods = accepted_methods(a);
	struct strbuf sb = STRBUF_INIT;

	add_tried(a, &sb);
	if (ssh->goodbye[0])
		strbuf_addf(&sb, "; it ended the connection: %s", ssh->goodbye);
	if (*methods)
		strbuf_addf(&sb, "; the host accepts: %s", methods);
	if (a->signature_refused && *methods && !strstr(methods, "publickey"))
		strbuf_addstr(&sb, "; it wants more than a key, which kedge cannot give");
	error_set(err, ERROR_AUTH, "'%s' port %d did not let user '%s' in (%s); check: ssh -p %d %s true", ssh->host,
		  ssh->port, ssh->user, sb.buf, ssh->port, quoted);
	strbuf_release(&sb);
	free(methods);
	free(login);
	free(quoted);
	return -1;
}

static void release(struct auth *a)
{
	for (size_t i = 0; i < a->n_ids; i++)
		ssh_identity_release(&a->ids[i]);
	free(a->ids);
	if (a->agent)
		libssh2_agent_free(a->agent);
	strbuf_release(&a->tried);
	strbuf_release(&a->unusable);
}

int ssh_auth(struct ssh *ssh, const struct cluster *cluster, struct error *err)
{
	struct auth a = { .ssh = ssh, .tried = STRBUF_INIT, .unusable = STRBUF_INIT };
	enum answer answer;

	ssh_socket_time(ssh); /* question and answer, as nowhere else */
	load_identities(&a, cluster);
	if (cluster->agent)
		load_agent(&a);
	note_obstacles(&a);
	answer = try_all(&a, err);
	log_debug("cluster '%s': tried %zu keys of the agent, then: %s", cluster->name, a.agent_tries,
		  a.tried.len ? a.tried.buf : "none");
	/* a host that wants two keys did not open the channel that was asked for with the first, and libssh2 waits */
	ssh->must_start_over = answer == ANSWER_YES && a.signature_refused && ssh->asked_ahead;
	if (answer == ANSWER_NO)
		nothing_accepted(&a, err);
	release(&a);
	return answer == ANSWER_YES && !ssh->must_start_over ? 0 : -1;
}
