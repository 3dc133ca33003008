#include "config.h"

#include "transport/ssh.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "util/fsutil.h"
#include "util/xalloc.h"

enum {
	KEY_FILE_MAX = 64 << 10, /* an RSA key of 16384 bits takes 13 KiB */
	OTHERS = 077,
};

static const char openssh_begin[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
static const char openssh_end[] = "-----END OPENSSH PRIVATE KEY-----";
static const char openssh_magic[] = "openssh-key-v1"; /* with its NUL */

/* PEM says what a key is in its first line, or not at all. */
static const struct {
	const char *begin, *type;
} pem_types[] = {
	{ "-----BEGIN RSA PRIVATE KEY-----", "ssh-rsa" },
	{ "-----BEGIN EC PRIVATE KEY-----", "ecdsa" },
	{ "-----BEGIN DSA PRIVATE KEY-----", "ssh-dss" },
	{ "-----BEGIN PRIVATE KEY-----", "" },
	{ "-----BEGIN ENCRYPTED PRIVATE KEY-----", "" },
};

/* --- types ---------------------------------------------------------------- */

static bool starts_with(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool ends_with(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && strcmp(s + n - m, suffix) == 0;
}

const char *ssh_identity_type_obstacle(const char *type)
{
	static char rsa[96];
	bool ecdsa = starts_with(type, "ecdsa");

	if (starts_with(type, "ssh-rsa") && !ssh_has_rsa_sha2()) {
		snprintf(rsa, sizeof rsa, "libssh2 %s cannot sign with RSA keys; use an ed25519 key",
			 libssh2_version(0));
		return rsa;
	}
	if (starts_with(type, "sk-"))
		return "libssh2 cannot use a key on a security token";
	if (ends_with(type, "-cert-v01@openssh.com") && !ecdsa)
		return "libssh2 cannot use this kind of certificate";
	if (*type && !ecdsa && !starts_with(type, "ssh-rsa") && strcmp(type, "ssh-ed25519") != 0)
		return "libssh2 cannot use this type of key";
	return NULL;
}

/* --- the container of OpenSSH (PROTOCOL.key) ------------------------------ */

struct reader {
	const unsigned char *p;
	size_t left;
};

static bool read_u32(struct reader *r, size_t *v)
{
	if (r->left < 4)
		return false;
	*v = (size_t)r->p[0] << 24 | (size_t)r->p[1] << 16 | (size_t)r->p[2] << 8 | r->p[3];
	r->p += 4;
	r->left -= 4;
	return true;
}

static bool read_string(struct reader *r, struct reader *out)
{
	size_t n;

	if (!read_u32(r, &n) || n > r->left)
		return false;
	*out = (struct reader){ r->p, n };
	r->p += n;
	r->left -= n;
	return true;
}

bool ssh_identity_blob_type(const void *blob, size_t len, char *type, size_t size)
{
	struct reader r = { blob, len }, word;

	if (!read_string(&r, &word) || word.left == 0 || word.left >= size)
		return false;
	for (size_t i = 0; i < word.left; i++)
		if (word.p[i] <= ' ' || word.p[i] > '~')
			return false;
	memcpy(type, word.p, word.left);
	type[word.left] = '\0';
	return true;
}

static void set_blob(struct ssh_identity *id, const void *blob, size_t len)
{
	if (id->blob || !ssh_identity_blob_type(blob, len, id->type, sizeof id->type))
		return;
	id->blob = xmemdup(blob, len);
	id->blob_len = len;
}

/* The public key and whether a passphrase is needed stand in front, in clear. */
static bool read_openssh(struct ssh_identity *id, struct reader r)
{
	struct reader cipher, kdf, options, blob;
	size_t keys;

	if (r.left < sizeof openssh_magic || memcmp(r.p, openssh_magic, sizeof openssh_magic) != 0)
		return false;
	r.p += sizeof openssh_magic;
	r.left -= sizeof openssh_magic;
	if (!read_string(&r, &cipher) || !read_string(&r, &kdf) || !read_string(&r, &options) || !read_u32(&r, &keys) ||
	    keys != 1 || !read_string(&r, &blob))
		return false;
	set_blob(id, blob.p, blob.left);
	if (!id->blob)
		return false;
	if (cipher.left != 4 || memcmp(cipher.p, "none", 4) != 0)
		id->obstacle = xstrdup("needs a passphrase: add it with ssh-add");
	return true;
}

/* Lenient about line breaks; a count, or 0. */
static size_t decode_base64(const char *text, size_t n, unsigned char *out)
{
	EVP_ENCODE_CTX *ctx = EVP_ENCODE_CTX_new();
	int len = 0, rest = 0;

	if (!ctx)
		return 0;
	EVP_DecodeInit(ctx);
	if (EVP_DecodeUpdate(ctx, out, &len, (const unsigned char *)text, (int)n) < 0 ||
	    EVP_DecodeFinal(ctx, out + len, &rest) < 0)
		len = rest = 0;
	EVP_ENCODE_CTX_free(ctx);
	return (size_t)(len + rest);
}

static bool decode_openssh(struct ssh_identity *id)
{
	const char *begin = id->key + strlen(openssh_begin), *end = strstr(begin, openssh_end);
	unsigned char *raw;
	size_t n;
	bool ok;

	if (!end)
		return false;
	raw = xmalloc((size_t)(end - begin) + 1);
	n = decode_base64(begin, (size_t)(end - begin), raw);
	ok = read_openssh(id, (struct reader){ raw, n });
	OPENSSL_cleanse(raw, (size_t)(end - begin) + 1);
	free(raw);
	return ok;
}

static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)arg;
	return -1;
}

static bool is_rsa(const struct ssh_identity *id)
{
	BIO *bio = BIO_new_mem_buf(id->key, (int)id->key_len);
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL) : NULL;
	bool rsa = key && EVP_PKEY_base_id(key) == EVP_PKEY_RSA;

	EVP_PKEY_free(key);
	BIO_free(bio);
	return rsa;
}

static bool read_pem(struct ssh_identity *id)
{
	for (size_t i = 0; i < sizeof pem_types / sizeof pem_types[0]; i++) {
		if (!starts_with(id->key, pem_types[i].begin))
			continue;
		if (strstr(id->key, "ENCRYPTED"))
			id->obstacle = xstrdup("needs a passphrase: add it with ssh-add");
		else if (!id->blob)
			snprintf(id->type, sizeof id->type, "%s",
				 *pem_types[i].type ? pem_types[i].type : is_rsa(id) ? "ssh-rsa" : "");
		return true;
	}
	return false;
}

/* --- files ---------------------------------------------------------------- */

/* A line "TYPE BASE64 COMMENT", as in the file PATH.pub. */
static void read_public_line(struct ssh_identity *id, const char *text)
{
	const char *base64 = text + strcspn(text, " ");
	unsigned char *raw;
	size_t n;

	if (*base64 != ' ')
		return;
	n = strcspn(++base64, " \t\r\n");
	raw = xmalloc(n + 4);
	set_blob(id, raw, decode_base64(base64, n, raw));
	free(raw);
}

static void read_public_file(struct ssh_identity *id, const char *path)
{
	char *public = xasprintf("%s.pub", path);
	struct strbuf text = STRBUF_INIT;

	if (fsutil_read(public, KEY_FILE_MAX, &text, NULL) == 0)
		read_public_line(id, text.buf);
	strbuf_release(&text);
	free(public);
}

static char *cannot_read(int errnum)
{
	return xasprintf("cannot be read: %s", strerror(errnum));
}

/* Into one buffer of the right size, so that no copy of a secret stays behind in memory given back. */
static void read_file(struct ssh_identity *id, int fd, const struct stat *st)
{
	if (!S_ISREG(st->st_mode)) {
		id->obstacle = xstrdup("not a file");
	} else if (st->st_size <= 0 || st->st_size > KEY_FILE_MAX) {
		id->obstacle = xstrdup("not a private key");
	} else if (st->st_uid == getuid() && (st->st_mode & OTHERS)) {
		id->obstacle = xasprintf("others may read it (mode %04o), so it is not used; chmod 600 %s",
					 (unsigned int)(st->st_mode & ALLPERMS), id->name);
	} else {
		ssize_t n;

		id->key = xcalloc(1, (size_t)st->st_size + 1);
		n = read(fd, id->key, (size_t)st->st_size);
		if (n < 0)
			id->obstacle = cannot_read(errno);
		id->key_len = n < 0 ? 0 : (size_t)n;
	}
}

static char *abbreviate(const char *path)
{
	const char *home = getenv("HOME");
	size_t n = home ? strlen(home) : 0;

	if (n > 1 && strncmp(path, home, n) == 0 && path[n] == '/')
		return xasprintf("~%s", path + n);
	return xstrdup(path);
}

static void judge(struct ssh_identity *id, const char *path)
{
	bool openssh = !id->obstacle && starts_with(id->key, openssh_begin), is_key;
	const char *obstacle;

	if (!openssh)
		read_public_file(id, path);
	if (id->obstacle)
		return;
	is_key = openssh ? decode_openssh(id) : read_pem(id);
	obstacle = ssh_identity_type_obstacle(id->type);
	if (id->obstacle)
		return;
	if (!is_key || obstacle)
		id->obstacle = xstrdup(is_key ? obstacle : "not a private key");
}

bool ssh_identity_load(struct ssh_identity *id, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	bool missing = fd < 0 && errno == ENOENT;
	struct stat st;

	memset(id, 0, sizeof *id);
	id->name = abbreviate(path);
	if (fd < 0 || fstat(fd, &st) != 0)
		id->obstacle = cannot_read(errno);
	else
		read_file(id, fd, &st);
	if (fd >= 0)
		close(fd);
	judge(id, path);
	return !missing || id->blob; /* without its private half here, the public one may name a key of the agent */
}

void ssh_identity_release(struct ssh_identity *id)
{
	if (id->key)
		OPENSSL_cleanse(id->key, id->key_len);
	free(id->key);
	free(id->name);
	free(id->blob);
	free(id->obstacle);
	memset(id, 0, sizeof *id);
}
