#include "testing.h"

#include <pwd.h>

#include "config_dir.h"

#include "config/cluster.h"
#include "config/config.h"
#include "config/keys.h"
#include "util/error.h"
#include "util/strbuf.h"

static struct strbuf scratch = STRBUF_INIT;

/* c.ini alone. */
static struct config *load(const char *text, struct error *err)
{
	const struct config_places places = { .file = "c.ini" };

	config_dir_text("c.ini", text);
	return config_load(&places, err);
}

static struct config *load_good(const char *text)
{
	struct error err = { 0 };
	struct config *cfg = load(text, &err);

	if (!cfg)
		fail_msg("%s", err.text);
	return cfg;
}

static void expect_error(const char *text, const char *error)
{
	struct error err = { 0 };

	assert_null(load(text, &err));
	assert_string_equal(err.text, error);
	assert_int_equal(err.kind, ERROR_CONFIG);
}

static void get_cluster(const struct config *cfg, const char *name, struct cluster *c)
{
	struct error err = { 0 };

	if (config_cluster(cfg, name, c, &err))
		fail_msg("%s", err.text);
}

static void an_empty_section_is_a_cluster_with_the_defaults(void **state)
{
	struct config *cfg = load_good("[cluster a100]\n");
	char name[sizeof config_dir_path + 40];
	struct cluster c;

	(void)state;
	get_cluster(cfg, "a100", &c);
	assert_string_equal(c.name, "a100");
	assert_string_equal(c.transport, "ssh");
	assert_string_equal(c.host, "a100");
	assert_int_equal(c.port, 22);
	assert_null(c.user);
	assert_int_equal(c.identity_files.n, 0);
	assert_int_equal(c.known_hosts.n, 2);
	snprintf(name, sizeof name, "%s/.ssh/known_hosts", config_dir_path);
	assert_string_equal(c.known_hosts.v[0], name);
	assert_string_equal(c.known_hosts.v[1], "/etc/ssh/ssh_known_hosts");
	assert_int_equal(c.agent, 1);
	assert_string_equal(c.root, "~/.kedge/jobs");
	assert_string_equal(c.launcher, "gpu-run");
	assert_string_equal(c.gpu_run, "gpu-run");
	assert_null(c.gpu_type);
	assert_null(c.template);
	assert_null(c.setup);
	assert_int_equal(c.max_running, 0);
	assert_int_equal(c.max_logins, 10);
	assert_int_equal(c.connect_timeout_ms, 15000);
	assert_int_equal(c.timeout_ms, 30000);
	assert_int_equal(c.lost_after_ms, 120000);
	assert_int_equal(c.lost_looks, 2);
	assert_int_equal(c.kill_wait_ms, 30000);
	assert_int_equal(c.start_timeout_ms, 600000);
	cluster_release(&c);
	cluster_release(&c); /* leaves it empty */
	cluster_release(NULL);
	config_free(cfg);
}

static void every_row_of_a_cluster_has_a_field(void **state)
{
	static const struct { const char *name, *value; } values[] = {
		{ "transport", "local" }, { "host", "h" }, { "port", "2222" }, { "user", "u" },
		{ "identity_file", "~/k1 k2" }, { "known_hosts", "kh" }, { "agent", "no" },
		{ "connect_timeout", "1m" }, { "timeout", "2m" }, { "root", "/r" }, { "launcher", "gpu-run" },
		{ "gpu_run", "/opt/gpu-run" }, { "gpu_type", "h100" }, { "template", "t.sh" },
		{ "setup", "module load x; y" }, { "max_running", "3" }, { "max_logins", "7" }, { "start_timeout", "3m" },
		{ "lost_after", "4m" }, { "lost_looks", "3" }, { "kill_wait", "5m" },
	};
	struct strbuf text = STRBUF_INIT;
	char path[sizeof config_dir_path + 40];
	struct config *cfg;
	struct cluster c;
	size_t rows = 0;

	(void)state;
	for (const struct key *key = keys; key->section; key++)
		rows += strcmp(key->section, "cluster") == 0;
	assert_int_equal(rows, COUNT(values));
	strbuf_addstr(&text, "[cluster x]\n");
	for (size_t i = 0; i < COUNT(values); i++)
		strbuf_addf(&text, "%s = %s\n", values[i].name, values[i].value);
	cfg = load_good(text.buf);
	get_cluster(cfg, "x", &c);
	assert_string_equal(c.transport, "local");
	assert_string_equal(c.host, "h");
	assert_int_equal(c.port, 2222);
	assert_string_equal(c.user, "u");
	assert_int_equal(c.identity_files.n, 2);
	snprintf(path, sizeof path, "%s/k1", config_dir_path);
	assert_string_equal(c.identity_files.v[0], path);
	snprintf(path, sizeof path, "%s/k2", config_dir_path);
	assert_string_equal(c.identity_files.v[1], path);
	assert_int_equal(c.known_hosts.n, 1);
	assert_int_equal(c.agent, 0);
	assert_int_equal(c.connect_timeout_ms, 60000);
	assert_int_equal(c.timeout_ms, 120000);
	assert_string_equal(c.root, "/r");
	assert_string_equal(c.launcher, "gpu-run");
	assert_string_equal(c.gpu_run, "/opt/gpu-run");
	assert_string_equal(c.gpu_type, "h100");
	snprintf(path, sizeof path, "%s/t.sh", config_dir_path);
	assert_string_equal(c.template, path);
	assert_string_equal(c.setup, "module load x; y");
	assert_int_equal(c.max_running, 3);
	assert_int_equal(c.max_logins, 7);
	assert_int_equal(c.start_timeout_ms, 180000);
	assert_int_equal(c.lost_after_ms, 240000);
	assert_int_equal(c.lost_looks, 3);
	assert_int_equal(c.kill_wait_ms, 300000);
	cluster_release(&c);
	config_free(cfg);
	strbuf_release(&text);
}

static void errors_of_a_file_name_file_and_line_and_come_together(void **state)
{
	(void)state;
	expect_error("[defaults]\n"
		     "cluster = a\n"
		     "max_runing = 3\n"
		     "entry = x\n"
		     "[cluster a]\n"
		     "host = -oProxyCommand=id\n"
		     "port = 70000\n"
		     "[cluster]\n"
		     "host = x\n"
		     "[cluster b c]\n"
		     "[clusters d]\n"
		     "[default]\n"
		     "no_such = 1\n"
		     "[cluster e]\n"
		     "cluster = x\n"
		     "setup = module load a ; module load b\n",
		     "c.ini:3: unknown key 'max_runing' in [defaults]; did you mean 'max_running'?\n"
		     "c.ini:4: unknown key 'entry' in [defaults]\n"
		     "c.ini:6: host: '-oProxyCommand=id' begins with '-'\n"
		     "c.ini:7: port: '70000' is not within 1 to 65535\n"
		     "c.ini:8: [cluster] without a name; write [cluster NAME]\n"
		     "c.ini:10: cluster: 'b c' holds ' '; a name is made of letters, digits, '.', '_' and '-'\n"
		     "c.ini:11: unknown section [clusters d]; did you mean 'cluster'?\n"
		     "c.ini:12: unknown section [default]; did you mean 'defaults'?\n"
		     "c.ini:15: unknown key 'cluster' in [cluster e]\n"
		     "c.ini:16: setup: ' ;' begins a comment; write ';' without a blank before it, and comments on "
		     "their own lines");
}

static void the_traps_of_ini_files_are_errors_here_too(void **state)
{
	(void)state;
	expect_error("[cluster a]\nhost = x\n  y\nhost = z\n[cluster  a]\n",
		     "c.ini:3: the line begins with a blank; a value ends with its line, a name begins one\n"
		     "c.ini:4: 'host' again in [cluster a]; the first is at line 2\n"
		     "c.ini:5: section [cluster a] again; the first is at line 1");
}

static void the_section_of_a_cluster_wins_over_defaults(void **state)
{
	struct config *cfg = load_good("[cluster a]\nroot = /a\n[defaults]\nroot = /d\nport = 23\n[cluster b]\n");
	struct cluster c;

	(void)state;
	get_cluster(cfg, "a", &c);
	assert_string_equal(c.root, "/a");
	assert_int_equal(c.port, 23);
	cluster_release(&c);
	get_cluster(cfg, "b", &c);
	assert_string_equal(c.root, "/d");
	cluster_release(&c);
	config_free(cfg);
}

static void the_default_cluster_is_the_named_or_the_only_one(void **state)
{
	struct config *cfg = load_good("");

	(void)state;
	assert_null(config_default_cluster(cfg));
	assert_null(config_cluster_names(cfg)[0]);
	config_free(cfg);
	cfg = load_good("[cluster a]\n");
	assert_string_equal(config_default_cluster(cfg), "a");
	assert_null(config_get(cfg, "cluster"));
	config_free(cfg);
	cfg = load_good("[cluster a]\n[cluster b]\n");
	assert_null(config_default_cluster(cfg));
	assert_string_equal(config_cluster_names(cfg)[0], "a");
	assert_string_equal(config_cluster_names(cfg)[1], "b");
	assert_null(config_cluster_names(cfg)[2]);
	config_free(cfg);
	cfg = load_good("[cluster a]\n[cluster b]\n[defaults]\ncluster = b\n");
	assert_string_equal(config_default_cluster(cfg), "b");
	assert_string_equal(config_get(cfg, "cluster"), "b");
	assert_null(config_get(cfg, "no_such"));
	config_free(cfg);
}

static void a_cluster_nobody_configured_is_not_found(void **state)
{
	struct config *cfg = load_good("[cluster a100]\n[cluster h100]\n[cluster mine]\n");
	struct cluster c;
	struct error err;

	(void)state;
	assert_int_equal(config_cluster(cfg, "a10", &c, &err), -1);
	assert_int_equal(err.kind, ERROR_NOT_FOUND);
	assert_string_equal(err.text, "no cluster 'a10' among 'a100', 'h100', 'mine'; did you mean 'a100'?");
	config_free(cfg);
	cfg = load_good("");
	assert_int_equal(config_cluster(cfg, "a\033", &c, &err), -1);
	assert_string_equal(err.text, "no cluster 'a\\e': none is configured; see kedge.ini(5)");
	config_free(cfg);
}

static void collect(void *arg, const char *section, const char *name, const char *value, const char *origin)
{
	strbuf_addf(arg, "%s.%s=%s (%s)\n", section, name, value, origin);
}

static void expect_visit(const struct config *cfg, const char *line)
{
	strbuf_reset(&scratch);
	config_visit(cfg, collect, &scratch);
	if (!strstr(scratch.buf, line))
		fail_msg("no '%s' in:\n%s", line, scratch.buf);
}

static void a_visit_gives_effective_values_with_their_origins(void **state)
{
	const char *const flags[] = { "port=24", "kill_wait=1m", NULL };
	const struct config_places places = { .file = "c.ini", .flags = flags };
	struct error err = { 0 };
	struct config *cfg;

	(void)state;
	config_dir_text("c.ini", "[defaults]\nport = 23\ngpu_type = x\n[cluster a]\ngpu_type = y\n[cluster b]\n");
	setenv("KEDGE_ROOT", "/env", 1);
	setenv("KEDGE_PORT", "25", 1);
	cfg = config_load(&places, &err);
	assert_string_equal(err.text, "");
	expect_visit(cfg, "defaults.port=24 (flag)\n");
	expect_visit(cfg, "defaults.root=/env (environment KEDGE_ROOT)\n");
	expect_visit(cfg, "defaults.gpu_type=x (c.ini:3)\n");
	expect_visit(cfg, "cluster a.gpu_type=y (c.ini:5)\n");
	expect_visit(cfg, "cluster b.gpu_type=x (c.ini:3)\n");
	expect_visit(cfg, "cluster b.kill_wait=1m (flag)\n");
	expect_visit(cfg, "cluster a.host=a (default)\n");
	expect_visit(cfg, "cluster a.lost_after=120s (default)\n");
	assert_null(strstr(scratch.buf, "user="));
	assert_null(strstr(scratch.buf, "defaults.host="));
	assert_memory_equal(scratch.buf, "defaults.transport=ssh (default)\n", 33);
	assert_true(strstr(scratch.buf, "cluster a.") < strstr(scratch.buf, "cluster b."));
	unsetenv("KEDGE_ROOT");
	unsetenv("KEDGE_PORT");
	config_free(cfg);
}

static void the_environment_sets_every_key_of_defaults(void **state)
{
	struct config *cfg;
	struct cluster c;

	(void)state;
	setenv("KEDGE_CONNECT_TIMEOUT", "20s", 1);
	setenv("KEDGE_CLUSTER", "b", 1);
	setenv("KEDGE_USER", "", 1);           /* empty is unset */
	setenv("KEDGE_ENTRY", "../x", 1);      /* a job key: no variable of ours */
	setenv("KEDGE_NO_SUCH", "x", 1);
	setenv("KEDGE_TEMPLATE", "t.sh", 1);   /* relative to here */
	cfg = load_good("[cluster a]\nconnect_timeout = 30s\n[cluster b]\n");
	assert_string_equal(config_default_cluster(cfg), "b");
	get_cluster(cfg, "b", &c);
	assert_int_equal(c.connect_timeout_ms, 20000);
	assert_null(c.user);
	assert_int_equal(c.template[0], '/');
	assert_string_equal(c.template + strlen(c.template) - 5, "/t.sh");
	cluster_release(&c);
	get_cluster(cfg, "a", &c);
	assert_int_equal(c.connect_timeout_ms, 30000); /* [cluster a] says more than [defaults] */
	cluster_release(&c);
	config_free(cfg);
	setenv("KEDGE_CONNECT_TIMEOUT", "soon", 1);
	setenv("KEDGE_USER", "a b", 1);
	expect_error("[cluster a]\nport = x\n",
		     "c.ini:2: port: 'x' is not a whole number\n"
		     "environment KEDGE_USER: user: 'a b' holds ' '\n"
		     "environment KEDGE_CONNECT_TIMEOUT: connect_timeout: 'soon' is not a length of time: seconds, or a "
		     "number with ms, s, m, h or d");
	unsetenv("KEDGE_CONNECT_TIMEOUT");
	unsetenv("KEDGE_CLUSTER");
	unsetenv("KEDGE_USER");
	unsetenv("KEDGE_ENTRY");
	unsetenv("KEDGE_NO_SUCH");
	unsetenv("KEDGE_TEMPLATE");
}

static void a_wrong_flag_is_a_matter_of_usage(void **state)
{
	const char *const flags[] = { "prot=3", "port", "port=x", NULL };
	const struct config_places places = { .file = "c.ini", .flags = flags };
	struct error err;

	(void)state;
	config_dir_text("c.ini", "");
	assert_null(config_load(&places, &err));
	assert_int_equal(err.kind, ERROR_USAGE);
	assert_string_equal(err.text,
			    "option 'prot=3': unknown key 'prot' in [defaults]; did you mean 'port'?\n"
			    "option 'port': no '='; write key=value\n"
			    "option 'port=x': port: 'x' is not a whole number");
}

static void a_file_asked_for_must_be_there(void **state)
{
	const struct config_places places = { .file = "gone.ini" };
	struct error err;

	(void)state;
	assert_null(config_load(&places, &err));
	assert_int_equal(err.kind, ERROR_CONFIG);
	assert_string_equal(err.text, "gone.ini: No such file or directory");
}

/* The usual three places; the one of the system must not be there for that. */
static struct config *load_usual(struct error *err)
{
	const struct config_places places = { 0 };

	return config_load(&places, err);
}

static void the_usual_files_are_read_and_later_wins(void **state)
{
	struct error err = { 0 };
	struct config *cfg;

	(void)state;
	if (access(KEDGE_SYSCONFDIR "/kedge/config.ini", F_OK) == 0)
		skip();
	cfg = load_usual(&err); /* none is there */
	assert_string_equal(err.text, "");
	assert_null(config_cluster_names(cfg)[0]);
	config_free(cfg);
	mkdir("xdg", 0700);
	mkdir("xdg/kedge", 0700);
	config_dir_text("xdg/kedge/config.ini", "[cluster a]\nport = 1\nuser = u\n");
	config_dir_text("kedge.ini", "[cluster b]\n[cluster a]\nport = 2\n");
	cfg = load_usual(&err);
	assert_string_equal(err.text, "");
	expect_visit(cfg, "cluster a.port=2 (./kedge.ini:3)\n");
	strbuf_reset(&scratch);
	strbuf_addf(&scratch, "cluster a.user=u (%s/xdg/kedge/config.ini:3)\n", config_dir_path);
	char *line = strbuf_detach(&scratch, NULL);
	expect_visit(cfg, line);
	free(line);
	assert_string_equal(config_cluster_names(cfg)[0], "a");
	assert_string_equal(config_cluster_names(cfg)[1], "b");
	config_free(cfg);
	config_dir_text("xdg/kedge/config.ini", "[cluster a]\nport = x\n");
	config_dir_text("kedge.ini", "[cluster a]\nport = y\n");
	assert_null(load_usual(&err));
	assert_non_null(strstr(err.text, "/xdg/kedge/config.ini:2: port: 'x' is not a whole number\n"
					 "./kedge.ini:2: port: 'y' is not a whole number"));
	unlink("kedge.ini");
	unlink("xdg/kedge/config.ini");
}

static void a_kedge_ini_that_all_can_write_is_refused(void **state)
{
	struct error err = { 0 };
	struct config *cfg;

	(void)state;
	if (access(KEDGE_SYSCONFDIR "/kedge/config.ini", F_OK) == 0)
		skip();
	config_dir_text("kedge.ini", "[cluster a]\n");
	chmod("kedge.ini", 0646);
	assert_null(load_usual(&err));
	assert_int_equal(err.kind, ERROR_CONFIG);
	assert_string_equal(err.text, "./kedge.ini: everybody can write it; to use it: chmod o-w ./kedge.ini");
	chmod("kedge.ini", 0664);
	error_clear(&err);
	cfg = load_usual(&err);
	assert_string_equal(err.text, "");
	config_free(cfg);
	unlink("kedge.ini");
}

static void a_kedge_ini_of_somebody_else_is_refused(void **state)
{
	struct error err = { 0 };

	(void)state;
	if (geteuid() != 0 || access(KEDGE_SYSCONFDIR "/kedge/config.ini", F_OK) == 0)
		skip();
	config_dir_text("kedge.ini", "[cluster a]\n");
	assert_int_equal(chown("kedge.ini", 12345, (gid_t)-1), 0);
	assert_null(load_usual(&err));
	assert_string_equal(err.text, "./kedge.ini: it belongs to user id 12345, neither you nor root; to use it: kedge "
				      "--config ./kedge.ini");
	unlink("kedge.ini");
}

static void a_fifo_does_not_hold_us_up(void **state)
{
	struct error err;

	(void)state;
	if (access(KEDGE_SYSCONFDIR "/kedge/config.ini", F_OK) == 0)
		skip();
	assert_int_equal(mkfifo("kedge.ini", 0600), 0);
	alarm(10);
	assert_null(load_usual(&err));
	alarm(0);
	assert_string_equal(err.text, "./kedge.ini: not a regular file");
	unlink("kedge.ini");
}

static void load_for_warnings(void *arg)
{
	const struct config_places places = { .file = arg };

	config_free(config_load(&places, NULL));
}

static void a_file_others_can_write_is_warned_of(void **state)
{
	struct strbuf said = STRBUF_INIT;
	char name[] = "w.ini";

	(void)state;
	config_dir_text(name, "[cluster a]\n");
	test_in_child(load_for_warnings, name, &said);
	assert_string_equal(said.buf, "");
	chmod(name, 0666);
	test_in_child(load_for_warnings, name, &said);
	assert_string_equal(said.buf, "kedge: w.ini: everybody can write it; chmod o-w w.ini\n");
	chmod(name, 0600);
	strbuf_reset(&said);
	if (geteuid() == 0) {
		assert_int_equal(chown(name, 12345, (gid_t)-1), 0);
		test_in_child(load_for_warnings, name, &said);
		assert_string_equal(said.buf, "kedge: w.ini: it belongs to user id 12345, neither you nor root\n");
	}
	strbuf_release(&said);
}

static void paths_are_relative_to_the_file_that_names_them(void **state)
{
	const struct config_places places = { .file = "sub/c.ini" };
	char want[sizeof config_dir_path + 40];
	struct error err = { 0 };
	struct cluster c;
	struct config *cfg;

	(void)state;
	mkdir("sub", 0700);
	config_dir_text("sub/c.ini", "[cluster a]\ntemplate = ./t/run.sh\nknown_hosts = kh /abs\n");
	cfg = config_load(&places, &err);
	assert_string_equal(err.text, "");
	get_cluster(cfg, "a", &c);
	snprintf(want, sizeof want, "%s/sub/t/run.sh", config_dir_path);
	assert_string_equal(c.template, want);
	snprintf(want, sizeof want, "%s/sub/kh", config_dir_path);
	assert_string_equal(c.known_hosts.v[0], want);
	assert_string_equal(c.known_hosts.v[1], "/abs");
	cluster_release(&c);
	config_free(cfg);
}

/* The text between .Bd and .Ed behind a heading, as man shows it. */
static void example_of(const char *page, const char *heading, struct strbuf *out)
{
	const char *start = strstr(page, heading), *end;

	assert_non_null(start);
	start = strstr(start, "\n.Bd ");
	assert_non_null(start);
	start = strchr(start + 1, '\n') + 1;
	end = strstr(start, "\n.Ed");
	assert_non_null(end);
	for (; start <= end; start++) {
		if (strncmp(start, "\\e", 2) == 0) {
			strbuf_addch(out, '\\');
			start++;
		} else if (strncmp(start, "\\&", 2) == 0) {
			start++;
		} else {
			strbuf_addch(out, *start);
		}
	}
}

static void the_example_of_the_manual_works(void **state)
{
	struct strbuf page = STRBUF_INIT, text = STRBUF_INIT;
	struct config *cfg;
	struct cluster c;

	(void)state;
	config_dir_source("doc/kedge.ini.5", &page);
	example_of(page.buf, "\n.Sh EXAMPLES\n", &text);
	cfg = load_good(text.buf);
	assert_string_equal(config_default_cluster(cfg), "a100");
	for (const char *const *name = config_cluster_names(cfg); *name; name++) {
		get_cluster(cfg, *name, &c);
		cluster_release(&c);
	}
	assert_non_null(config_cluster_names(cfg)[1]);
	config_free(cfg);
	strbuf_release(&page);
	strbuf_release(&text);
}

static int enter(void **state)
{
	char xdg[sizeof config_dir_path + 40];

	if (config_dir_enter(state))
		return -1;
	snprintf(xdg, sizeof xdg, "%s/xdg", config_dir_path);
	setenv("HOME", config_dir_path, 1);
	setenv("XDG_CONFIG_HOME", xdg, 1);
	for (const struct key *key = keys; key->section; key++) {
		char name[80] = "KEDGE_";

		for (size_t i = 0; key->name[i]; i++)
			name[6 + i] = (char)(key->name[i] == '_' ? '_' : key->name[i] - 'a' + 'A');
		unsetenv(name);
	}
	return 0;
}

static int leave(void **state)
{
	strbuf_release(&scratch);
	return config_dir_leave(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_section_is_a_cluster_with_the_defaults),
		cmocka_unit_test(every_row_of_a_cluster_has_a_field),
		cmocka_unit_test(errors_of_a_file_name_file_and_line_and_come_together),
		cmocka_unit_test(the_traps_of_ini_files_are_errors_here_too),
		cmocka_unit_test(the_section_of_a_cluster_wins_over_defaults),
		cmocka_unit_test(the_default_cluster_is_the_named_or_the_only_one),
		cmocka_unit_test(a_cluster_nobody_configured_is_not_found),
		cmocka_unit_test(a_visit_gives_effective_values_with_their_origins),
		cmocka_unit_test(the_environment_sets_every_key_of_defaults),
		cmocka_unit_test(a_wrong_flag_is_a_matter_of_usage),
		cmocka_unit_test(a_file_asked_for_must_be_there),
		cmocka_unit_test(the_usual_files_are_read_and_later_wins),
		cmocka_unit_test(a_kedge_ini_that_all_can_write_is_refused),
		cmocka_unit_test(a_kedge_ini_of_somebody_else_is_refused),
		cmocka_unit_test(a_fifo_does_not_hold_us_up),
		cmocka_unit_test(a_file_others_can_write_is_warned_of),
		cmocka_unit_test(paths_are_relative_to_the_file_that_names_them),
		cmocka_unit_test(the_example_of_the_manual_works),
	};

	return cmocka_run_group_tests(tests, enter, leave);
}
