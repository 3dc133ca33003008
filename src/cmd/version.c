#include <archive.h>
#include <jansson.h>
#include <libssh2.h>
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <stdio.h>

#include <config.h>

#include "cmd/cmd.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "util/error.h"

static int run(struct cmd_context *ctx, const struct cmd_args *args, struct error *err)
{
	(void)ctx;
	if (args->n_rest)
		return error_set(err, ERROR_USAGE, "version takes no operands; see: kedge help version");
	if (options_has(args, "json"))
		return output_json(json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s}", "schema", 1, "kedge", PACKAGE_VERSION,
					     "libssh2", libssh2_version(0), "openssl", OpenSSL_version(OPENSSL_VERSION), "sqlite",
					     sqlite3_libversion(), "jansson", JANSSON_VERSION, "libarchive",
					     archive_version_string()), err);
	printf("kedge %s\nlibssh2 %s, %s, SQLite %s, jansson %s, %s\n", PACKAGE_VERSION, libssh2_version(0),
	       OpenSSL_version(OPENSSL_VERSION), sqlite3_libversion(), JANSSON_VERSION, archive_version_string());
	return 0;
}

static const struct cmd_option options[] = {
	{ "json", 0, NULL, "print JSON" },
	{ NULL },
};

const struct cmd cmd_version = {
	.name = "version",
	.summary = "print the versions of kedge and of its libraries",
	.usage = "[--json]",
	.options = options,
	.run = run,
};
