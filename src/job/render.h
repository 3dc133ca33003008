/*
 * render - run.sh from its template, and the contract every template must keep.
 *
 * The contract (kedge-job(5), TEMPLATES): the first line is #!/bin/sh; it contains {{{kedge_lib}}}, then a line `kedge_begin`, then
 * {{{kedge_command}}}; it does not set CUDA_VISIBLE_DEVICES; what is rendered parses (sh -n).
 */
#ifndef JOB_RENDER_H
#define JOB_RENDER_H

enum { RENDER_MAX_TEMPLATE = 1 << 20 };

struct cluster;
struct error;
struct spec;
struct strbuf;

/* Read the job's, the cluster's or the built-in template, check it, render it.  Kind SPEC with TEMPLATE:LINE. */
int render_run_sh(const struct cluster *cluster, const struct spec *spec, const char *job_id,
		  const char *template_text, const char *template_name, struct strbuf *out, struct error *err);

/* The text of the template that applies, and its name for errors. */
int render_template(const struct cluster *cluster, const struct spec *spec, struct strbuf *text, char **name,
		    struct error *err);

#endif
