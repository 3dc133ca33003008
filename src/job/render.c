#include "job/render.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "config/cluster.h"
#include "config/spec.h"
#include "stage/program.h"
#include "template/builtin.h"
#include "template/template.h"
#include "util/error.h"
#include "util/fsutil.h"
#include "util/path.h"
#include "util/shquote.h"
#include "util/strbuf.h"
#include "util/vars.h"
#include "util/xalloc.h"

int render_template(const struct cluster *cluster, const struct spec *spec, struct strbuf *text, char **name,
		    struct error *err)
{
	const char *path = spec->template ? spec->template : cluster->template;

	if (!path) {
		strbuf_addstr(text, template_builtin("run.sh"));
		*name = xstrdup("templates/run.sh");
		return 0;
	}
	if (fsutil_read(path, RENDER_MAX_TEMPLATE, text, err)) {
		error_wrap(err, "template");
		if (err)
			err->kind = ERROR_SPEC;
		return -1;
	}
	*name = xstrdup(path);
	return 0;
}

/* The line (from 1) that is exactly `want` but for blanks around it; 0 when there is none. */
static int line_that_is(const char *text, const char *want)
{
	int no = 1;

	for (const char *p = text; *p; no++) {
		const char *end = strchrnul(p, '\n');
		size_t lead = strspn(p, " \t"), len = strlen(want);
		const char *q = p + lead;
		if (q + len <= end && !strncmp(q, want, len) && strspn(q + len, " \t") == (size_t)(end - q) - len)
			return no;
		p = *end ? end + 1 : end;
	}
	return 0;
}

/* The line of an assignment to CUDA_VISIBLE_DEVICES, 0: none.  Comments do not count. */
static int line_that_sets_gpus(const char *text)
{
	static const char name[] = "CUDA_VISIBLE_DEVICES=";
	int no = 1;

	for (const char *p = text; *p; no++) {
		const char *end = strchrnul(p, '\n');
		const char *hit = strstr(p, name);
		const char *comment = p + strspn(p, " \t");
		if (hit && hit < end && *comment != '#')
			return no;
		p = *end ? end + 1 : end;
	}
	return 0;
}

static int check_contract(const char *text, const char *name, struct error *err)
{
	int lib = template_line_of(text, "kedge_lib"), begin = line_that_is(text, "kedge_begin");
	int command = template_line_of(text, "kedge_command"), gpus = line_that_sets_gpus(text);

	if (strncmp(text, "#!/bin/sh\n", 10))
		return error_set(err, ERROR_SPEC, "%s:1: the first line must be #!/bin/sh; see kedge-job(5), TEMPLATES", name);
	if (!lib)
		return error_set(err, ERROR_SPEC, "%s: {{{kedge_lib}}} is missing; see kedge-job(5), TEMPLATES", name);
	if (!begin || begin < lib)
		return error_set(err, ERROR_SPEC,
				 "%s: a line 'kedge_begin' must follow {{{kedge_lib}}}: it makes the job run once; see kedge-job(5), TEMPLATES",
				 name);
	if (!command || command < begin)
		return error_set(err, ERROR_SPEC,
				 "%s: {{{kedge_command}}} must follow the line 'kedge_begin'; see kedge-job(5), TEMPLATES", name);
	if (gpus)
		return error_set(err, ERROR_SPEC,
				 "%s:%d: CUDA_VISIBLE_DEVICES is the launcher's choice and may not be set; see kedge-job(5), TEMPLATES",
				 name, gpus);
	return 0;
}

/* Interpreter and, as the kernel does it, all that follows as one argument; each quoted. */
static void add_interpreter(const char *line, struct strbuf *out)
{
	size_t n = strcspn(line, " \t");
	char *program = xstrndup(line, n);
	char *arg = xstrdup(line + n + strspn(line + n, " \t"));

	shquote_add(out, program);
	strbuf_addch(out, ' ');
	if (*arg) {
		shquote_add(out, arg);
		strbuf_addch(out, ' ');
	}
	free(program);
	free(arg);
}

/* As submit found it; a request of before that was kept is told by the directory as it is now. */
static int add_entry(const struct spec *spec, struct strbuf *out, struct error *err)
{
	char *word, *found = NULL;

	if (!spec->interpreter) {
		const char *dir = spec_local_path(spec->code, err);
		char *path;

		if (!dir)
			return -1;
		path = path_join(dir, spec->entry);
		found = program_interpreter(path, spec->entry);
		if (!found)
			error_set(err, ERROR_SPEC, "entry '%s' is neither executable nor has a #! line; type: chmod +x %s", spec->entry, path);
		free(path);
		if (!found)
			return -1;
	}
	word = xasprintf("./%s", spec->entry);
	strbuf_addstr(out, "\texec ");
	if (*(found ? found : spec->interpreter))
		add_interpreter(found ? found : spec->interpreter, out);
	shquote_add(out, word);
	free(found);
	free(word);
	return 0;
}

static int add_command(const struct spec *spec, struct strbuf *out, struct error *err)
{
	if (spec->entry) {
		if (add_entry(spec, out, err))
			return -1;
	} else {
		strbuf_addf(out, "\t%s", spec->command);
	}
	if (spec->args.n) {
		strbuf_addch(out, ' ');
		shquote_add_words(out, &spec->args);
	}
	return 0;
}

static void add_env(const struct spec *spec, struct strbuf *out)
{
	for (size_t i = 0; i < spec->env.n; i++) {
		strbuf_addf(out, "%s\texport %s=", i ? "\n" : "", spec->env.v[i].name);
		shquote_add(out, spec->env.v[i].value);
	}
}

/* 32 hex digits, as in W3C trace contexts: the job id without its hyphens. */
static void set_trace_id(struct vars *vars, const char *job_id)
{
	struct strbuf id = STRBUF_INIT;

	for (; *job_id; job_id++)
		if (*job_id != '-')
			strbuf_addch(&id, *job_id);
	vars_set(vars, "trace_id", id.buf);
	strbuf_release(&id);
}

static int fill_vars(const struct cluster *cluster, const struct spec *spec, const char *job_id, struct vars *vars,
		     struct error *err)
{
	struct strbuf sb = STRBUF_INIT;
	int rc;

	vars_set(vars, "kedge_lib", template_builtin("kedge_lib.sh"));
	vars_set(vars, "job_id", job_id);
	vars_set(vars, "job_name", spec->name);
	set_trace_id(vars, job_id);
	vars_set(vars, "cluster", cluster->name);
	vars_setf(vars, "gpus", "%d", spec->gpus);
	vars_setf(vars, "memory", "%lld", (long long)spec->memory);
	vars_setf(vars, "time", "%lld", (long long)spec->time);
	vars_setf(vars, "kill_wait", "%lld", (long long)((cluster->kill_wait_ms + 999) / 1000));
	vars_set(vars, "cluster_setup", cluster->setup ? cluster->setup : ":");
	vars_set(vars, "job_setup", spec->setup ? spec->setup : ":");
	if (spec->requirements) {
		strbuf_addstr(&sb, "\tkedge_requirements ");
		shquote_add(&sb, spec->requirements);
	}
	vars_set(vars, "requirements", sb.buf);
	strbuf_reset(&sb);
	add_env(spec, &sb);
	vars_set(vars, "env", sb.buf);
	strbuf_reset(&sb);
	rc = add_command(spec, &sb, err);
	vars_set(vars, "kedge_command", sb.buf);
	strbuf_release(&sb);
	return rc;
}

/* sh -n on the rendered text; what it says goes into err. */
static int check_syntax(const char *name, const struct strbuf *text, struct error *err)
{
	int in[2], out[2], status;
	char said[256];
	ssize_t n;
	pid_t pid;

	if (pipe2(in, O_CLOEXEC))
		return error_errno(err, ERROR_INTERNAL, errno, "cannot make a pipe");
	if (pipe2(out, O_CLOEXEC)) {
		close(in[0]);
		close(in[1]);
		return error_errno(err, ERROR_INTERNAL, errno, "cannot make a pipe");
	}
	pid = fork();
	if (pid == 0) {
		signal(SIGPIPE, SIG_DFL);
		dup2(in[0], 0);
		dup2(out[1], 2);
		execl("/bin/sh", "sh", "-n", (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	if (pid > 0)
		fsutil_write_all(in[1], text->buf, text->len); /* a shell that stopped reading says why */
	close(in[1]);
	n = pid > 0 ? read(out[0], said, sizeof said - 1) : 0;
	close(out[0]);
	if (pid < 0)
		return error_errno(err, ERROR_INTERNAL, errno, "cannot fork");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	said[n > 0 ? n : 0] = 0;
	said[strcspn(said, "\n")] = 0;
	return error_set(err, ERROR_SPEC, "%s: what it renders to is not a shell script (%s); look at it with: kedge submit --dry-run",
			 name, said);
}

int render_run_sh(const struct cluster *cluster, const struct spec *spec, const char *job_id,
		  const char *template_text, const char *template_name, struct strbuf *out, struct error *err)
{
	struct vars vars = VARS_INIT;
	struct strbuf text = STRBUF_INIT;
	int rc = -1;

	if (check_contract(template_text, template_name, err) || fill_vars(cluster, spec, job_id, &vars, err) ||
	    template_render(template_name, template_text, &vars, &text, err) ||
	    check_syntax(template_name, &text, err))
		goto out;
	strbuf_add(out, text.buf, text.len);
	rc = 0;
out:
	vars_release(&vars);
	strbuf_release(&text);
	return rc;
}
