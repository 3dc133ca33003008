/*
 * site - one cluster, connected: what stage/ and launch/ share, so that a tick uses one
 * connection.  job/ holds it and sees no transport.
 */
#ifndef STAGE_SITE_H
#define STAGE_SITE_H

#include <stddef.h>

#include "util/clock.h"

struct cluster;
struct error;
struct sftp;
struct site;
struct strbuf;
struct transport;
struct vars;

/* Connect (transport_open).  cluster must outlive the site. */
struct site *site_open(const struct cluster *cluster, struct error *err);
void site_close(struct site *site);
const struct cluster *site_cluster(const struct site *site);
const char *site_describe(const struct site *site); /* transport_describe */

/* For stage/ and launch/ only. */
struct transport *site_transport(struct site *site);
/* The SFTP session, opened at first use and kept; its deadline is set to `deadline`. */
struct sftp *site_sftp(struct site *site, deadline_t deadline, struct error *err);
/* After a failure for which error_is_unknown holds the session is of no more use: close it, so that the next call opens a
   new one. */
void site_sftp_drop(struct site *site);

/* Run the built-in script remote/NAME (after remote/lib.sh, in one script) with vars, which gain {{root}} and {{{hash_lib}}}, and a body for descriptor 3
   (NULL: none).  Deadline: extra_ms past the cluster's timeout.  As exec_run: 0 with *status, or -1 "cannot tell".  A reply is appended to out; what it said
   on stderr goes to errout (may be NULL). */
int site_script(struct site *site, const char *name, const struct vars *vars, const char *body, int64_t extra_ms,
		int *status, struct strbuf *out, struct strbuf *errout, struct error *err);

/* The cluster's root as SFTP names it: absolute, or relative to the login directory for "~/x".  Belongs to site. */
const char *site_sftp_root(const struct site *site);

#endif
