#include "testing.h"

#include <fcntl.h>
#include <stdbool.h>
#include <sys/stat.h>

#include "transport/ssh.h"
#include "util/fsutil.h"
#include "util/xalloc.h"

static char dir[64];

static int make_dir(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/kedge-identity-XXXXXX");
	assert_non_null(mkdtemp(dir));
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	return fsutil_remove_tree(dir, NULL);
}

static char *path_of(const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

/* A key by ssh-keygen, under a name; returns its path, which is the caller's. */
static char *generate(const char *name, const char *type, const char *format, const char *passphrase)
{
	char *path = path_of(name);
	const char *const argv[] = {
		"ssh-keygen", "-q", "-t", type, "-m", format, "-N", passphrase, "-f", path, NULL,
	};
	struct strbuf out = STRBUF_INIT;

	if (!test_has_program("ssh-keygen"))
		skip();
	assert_int_equal(test_run(argv, &out), 0);
	strbuf_release(&out);
	return path;
}

static void write_key(const char *path, const char *text, size_t n, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(fsutil_write_all(fd, text, n), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* Loaded, without its .pub when told so.  Takes the path. */
static struct ssh_identity load(char *path, bool alone)
{
	char *public = xasprintf("%s.pub", path);
	struct ssh_identity id;

	if (alone)
		unlink(public);
	assert_true(ssh_identity_load(&id, path));
	free(public);
	free(path);
	return id;
}

static void assert_obstacle(const struct ssh_identity *id, const char *part)
{
	assert_non_null(id->obstacle);
	if (!strstr(id->obstacle, part))
		fail_msg("'%s' does not say '%s'", id->obstacle, part);
}

static void a_plain_key_can_be_tried_and_shows_its_public_half(void **state)
{
	struct ssh_identity id = load(generate("plain", "ed25519", "RFC4716", ""), true);
	char type[64];

	(void)state;
	assert_null(id.obstacle);
	assert_string_equal(id.type, "ssh-ed25519");
	assert_true(ssh_identity_blob_type(id.blob, id.blob_len, type, sizeof type));
	assert_string_equal(type, "ssh-ed25519");
	assert_int_equal(id.blob_len, 51);
	ssh_identity_release(&id);
}

static void a_passphrase_is_an_obstacle_in_every_format(void **state)
{
	static const struct {
		const char *type, *format;
	} rows[] = { { "ed25519", "RFC4716" }, { "ecdsa", "PEM" }, { "ecdsa", "PKCS8" } };

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		char name[16];
		struct ssh_identity id;

		snprintf(name, sizeof name, "encrypted%zu", i);
		id = load(generate(name, rows[i].type, rows[i].format, "phrase"), true);
		assert_obstacle(&id, "passphrase: add it with ssh-add");
		ssh_identity_release(&id);
	}
}

static void the_public_half_of_an_encrypted_key_is_known(void **state)
{
	struct ssh_identity inside = load(generate("inside", "ed25519", "RFC4716", "phrase"), true);
	struct ssh_identity beside = load(generate("beside", "ecdsa", "PEM", "phrase"), false);

	(void)state;
	assert_non_null(inside.blob);
	assert_non_null(beside.blob);
	assert_string_equal(beside.type, "ecdsa-sha2-nistp256");
	ssh_identity_release(&inside);
	ssh_identity_release(&beside);
}

static void rsa_is_told_in_every_format(void **state)
{
	static const char *const formats[] = { "RFC4716", "PEM", "PKCS8" };

	(void)state;
	if (ssh_has_rsa_sha2())
		skip();
	for (size_t i = 0; i < COUNT(formats); i++) {
		char name[16];
		struct ssh_identity id;

		snprintf(name, sizeof name, "rsa%zu", i);
		id = load(generate(name, "rsa", formats[i], ""), true);
		assert_obstacle(&id, "cannot sign with RSA keys; use an ed25519 key");
		ssh_identity_release(&id);
	}
}

static void a_key_that_others_may_read_is_not_used(void **state)
{
	char *path = generate("loose", "ed25519", "RFC4716", "");
	struct ssh_identity id;

	(void)state;
	assert_int_equal(chmod(path, 0640), 0);
	id = load(path, false);
	assert_obstacle(&id, "mode 0640");
	assert_obstacle(&id, "chmod 600 ");
	assert_null(id.key);
	assert_non_null(id.blob);
	ssh_identity_release(&id);
}

static void a_missing_key_is_no_identity_unless_its_public_half_is_there(void **state)
{
	char *path = generate("half", "ed25519", "RFC4716", ""), *nothing = path_of("nothing");
	struct ssh_identity id;

	(void)state;
	assert_int_equal(unlink(path), 0);
	assert_true(ssh_identity_load(&id, path));
	assert_non_null(id.blob);
	assert_obstacle(&id, "No such file");
	ssh_identity_release(&id);
	assert_false(ssh_identity_load(&id, nothing));
	assert_obstacle(&id, "No such file");
	ssh_identity_release(&id);
	free(path);
	free(nothing);
}

static void what_is_no_key_is_said_so(void **state)
{
	static const char *const texts[] = {
		"", "hello\n", "-----BEGIN CERTIFICATE-----\nAAAA\n", "-----BEGIN OPENSSH PRIVATE KEY-----\n",
		"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n-----END OPENSSH PRIVATE KEY-----\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		char *path = path_of("text");
		struct ssh_identity id;

		write_key(path, texts[i], strlen(texts[i]), 0600);
		id = load(path, true);
		assert_obstacle(&id, "not a private key");
		ssh_identity_release(&id);
	}
}

static void a_directory_is_no_key(void **state)
{
	struct ssh_identity id = load(xstrdup(dir), true);

	(void)state;
	assert_obstacle(&id, "not a file");
	ssh_identity_release(&id);
}

static void types_that_cannot_work_are_told(void **state)
{
	(void)state;
	assert_null(ssh_identity_type_obstacle("ssh-ed25519"));
	assert_null(ssh_identity_type_obstacle("ecdsa-sha2-nistp521"));
	assert_null(ssh_identity_type_obstacle("ecdsa-sha2-nistp256-cert-v01@openssh.com"));
	assert_non_null(ssh_identity_type_obstacle("ssh-ed25519-cert-v01@openssh.com"));
	assert_non_null(ssh_identity_type_obstacle("sk-ssh-ed25519@openssh.com"));
	assert_non_null(ssh_identity_type_obstacle("ssh-dss"));
}

static void a_damaged_blob_has_no_type(void **state)
{
	static const struct {
		const char *bytes;
		size_t n;
	} rows[] = {
		{ "", 0 }, { "\0\0\0", 3 }, { "\0\0\0\4abc", 7 }, { "\0\0\0\0", 4 }, { "\xff\xff\xff\xff" "abc", 7 },
		{ "\0\0\0\3a\0c", 7 }, { "\0\0\0\3a\nc", 7 }, { "\0\0\0\3a c", 7 },
	};
	char type[4] = "x";

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		assert_false(ssh_identity_blob_type(rows[i].bytes, rows[i].n, type, sizeof type));
	assert_false(ssh_identity_blob_type("\0\0\0\4abcd", 8, type, sizeof type)); /* no room */
	assert_true(ssh_identity_blob_type("\0\0\0\3abcd", 8, type, sizeof type));
	assert_string_equal(type, "abc");
}

static void survives_any_damage(void **state)
{
	char *path = generate("damaged", "ed25519", "RFC4716", "");
	struct strbuf good = STRBUF_INIT;

	(void)state;
	assert_int_equal(fsutil_read(path, 65536, &good, NULL), 0);
	for (int round = 0; round < 3000; round++) {
		size_t n = test_random(4) ? good.len : 1 + test_random((unsigned int)good.len);
		char *bad = xmemdup(good.buf, n);
		struct ssh_identity id;

		for (unsigned int i = 1 + test_random(6); i > 0; i--)
			bad[test_random((unsigned int)n)] = (char)test_random(256);
		write_key(path, bad, n, 0600);
		id = load(xstrdup(path), true);
		assert_true(id.obstacle || id.key);
		ssh_identity_release(&id);
		free(bad);
	}
	strbuf_release(&good);
	free(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_key_can_be_tried_and_shows_its_public_half),
		cmocka_unit_test(a_passphrase_is_an_obstacle_in_every_format),
		cmocka_unit_test(the_public_half_of_an_encrypted_key_is_known),
		cmocka_unit_test(rsa_is_told_in_every_format),
		cmocka_unit_test(a_key_that_others_may_read_is_not_used),
		cmocka_unit_test(a_missing_key_is_no_identity_unless_its_public_half_is_there),
		cmocka_unit_test(what_is_no_key_is_said_so),
		cmocka_unit_test(a_directory_is_no_key),
		cmocka_unit_test(types_that_cannot_work_are_told),
		cmocka_unit_test(a_damaged_blob_has_no_type),
		cmocka_unit_test(survives_any_damage),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
