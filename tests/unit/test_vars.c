#include "testing.h"

#include "util/vars.h"

static void each_name_is_there_once_in_order(void **state)
{
	struct vars vars = VARS_INIT;

	(void)state;
	assert_null(vars_get(&vars, "a"));
	vars_set(&vars, "b", "1");
	vars_set(&vars, "a", "2");
	vars_set(&vars, "b", "3");
	vars_setf(&vars, "c", "%s-%d", "x", 4);
	assert_int_equal(vars.n, 3);
	assert_string_equal(vars.v[0].name, "b");
	assert_string_equal(vars.v[0].value, "3");
	assert_string_equal(vars_get(&vars, "a"), "2");
	assert_string_equal(vars_get(&vars, "c"), "x-4");
	assert_null(vars_get(&vars, "A"));
	vars_release(&vars);
	assert_int_equal(vars.n, 0);
	vars_release(&vars);
	vars_release(NULL);
}

static void a_value_may_come_from_the_list_itself(void **state)
{
	struct vars vars = VARS_INIT;

	(void)state;
	vars_set(&vars, "path", "/bin");
	vars_set(&vars, "path", vars_get(&vars, "path"));
	assert_string_equal(vars_get(&vars, "path"), "/bin");
	vars_setf(&vars, "path", "/usr%s", vars_get(&vars, "path"));
	assert_string_equal(vars_get(&vars, "path"), "/usr/bin");
	vars_release(&vars);
}

static void many_names_are_kept(void **state)
{
	struct vars vars = VARS_INIT;
	char name[16];
	int i;

	(void)state;
	for (i = 0; i < 200; i++) {
		snprintf(name, sizeof name, "n%d", i);
		vars_setf(&vars, name, "%d", i);
	}
	assert_int_equal(vars.n, 200);
	assert_string_equal(vars_get(&vars, "n0"), "0");
	assert_string_equal(vars_get(&vars, "n199"), "199");
	vars_release(&vars);
}

static void a_copy_replaces_and_stands_alone(void **state)
{
	struct vars from = VARS_INIT, to = VARS_INIT;

	(void)state;
	vars_set(&to, "old", "1");
	vars_set(&from, "a", "1");
	vars_set(&from, "b", "");
	vars_copy(&to, &from);
	vars_set(&from, "a", "changed");
	assert_int_equal(to.n, 2);
	assert_null(vars_get(&to, "old"));
	assert_string_equal(vars_get(&to, "a"), "1");
	assert_string_equal(vars_get(&to, "b"), "");
	vars_copy(&to, &to);
	assert_string_equal(vars_get(&to, "a"), "1");
	vars_release(&from);
	vars_release(&to);
}

static void a_name_of_the_environment_is_an_identifier(void **state)
{
	static const char *const good[] = { "A", "_", "a1", "WANDB_MODE", "__x9" };
	static const char *const bad[] = { "", "1", "1A", "A-B", "A B", "A=B", "A\n", "caf\xc3\xa9", "A.B", "A;" };
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(good); i++)
		assert_true(vars_is_env_name(good[i]));
	for (i = 0; i < COUNT(bad); i++)
		assert_false(vars_is_env_name(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_name_is_there_once_in_order),
		cmocka_unit_test(a_value_may_come_from_the_list_itself),
		cmocka_unit_test(many_names_are_kept),
		cmocka_unit_test(a_copy_replaces_and_stands_alone),
		cmocka_unit_test(a_name_of_the_environment_is_an_identifier),
	};

	return cmocka_run_group_tests_name("vars", tests, NULL, NULL);
}
