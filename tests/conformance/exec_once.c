/*
 * exec_once SCRIPT MILLISECONDS - connect, run one script, say what is known:
 *
 *	ran STATUS BYTES
 *	KIND: text
 */
#include <stdio.h>
#include <stdlib.h>

#include "cluster_env.h"

#include "config/cluster.h"
#include "transport/exec.h"
#include "transport/transport.h"
#include "util/error.h"
#include "util/signals.h"
#include "util/strbuf.h"

int main(int argc, char **argv)
{
	struct error err = { ERROR_NONE };
	struct strbuf out = STRBUF_INIT;
	struct cluster cluster;
	struct transport *t;
	struct exec ex;
	int status, rc = -1;

	if (argc != 3)
		return 2;
	signals_install();
	cluster_env_read(&cluster);
	cluster.connect_timeout_ms = atoi(argv[2]);
	t = transport_open(&cluster, &err);
	ex = (struct exec){ .script = argv[1], .deadline = deadline_in_ms(atoi(argv[2])) };
	if (t)
		rc = exec_run(t, &ex, &status, &out, NULL, &err);
	if (rc == 0)
		printf("ran %d %zu\n", status, out.len);
	else
		printf("%s: %s\n", error_kind_name(err.kind), err.text);
	strbuf_release(&out);
	transport_close(t);
	cluster_release(&cluster);
	return 0;
}
