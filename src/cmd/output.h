/*
 * output - tables (libsmartcols), JSON (jansson), and times as people and scripts want them.
 */
#ifndef CMD_OUTPUT_H
#define CMD_OUTPUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cluster_row;
struct job;
struct attempts;
struct event_row;
struct chain_finding;
struct error;

/* Print object with a newline, keys in the order they were set; `object` is consumed.  main tells of write errors. */
int output_json(json_t *object, struct error *err);
json_t *output_time(int64_t ms);                 /* RFC 3339 string, null for 0 */
json_t *output_text(const char *s);              /* null for NULL; what is no UTF-8 is made visible */
json_t *output_job(const struct job *job);       /* the object of `ls` and `show` */

json_t *output_event(const struct event_row *e); /* an event of `show` and `audit log` */
json_t *output_finding(const struct chain_finding *f); /* null: none */

/* A table with a header on stdout; cells are made visible (vis.h). widths fit the terminal; no colour codes when not a tty. */
int output_table(const char *const *headers, size_t columns, char *const *cells, size_t rows, struct error *err);

/* Of a cluster with a last_error: "for 3m07s, asked again in 41s: cannot connect to ..."; what may be cut comes last.  New. */
char *output_trouble(const struct cluster_row *row);

bool output_is_tty(void);

/* "job 42 FAILED (exit 3)" as a note on stderr; for follow.changed, arg is not used. */
void output_say_state(void *arg, const struct job *job);

#endif
