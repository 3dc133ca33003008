#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stage/objects.h"
#include "util/error.h"
#include "util/strbuf.h"

#define ONES "1111111111111111111111111111111111111111111111111111111111111111"

static struct objects os;
static struct object *plain, *program, *unknown;

static int setup(void **state)
{
	(void)state;
	os = (struct objects)OBJECTS_INIT;
	plain = objects_get(&os, ONES, true, 7);
	program = objects_get(&os, ONES ".x", true, 7);
	unknown = objects_get(&os, "? 7 1 /a", false, 7);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	objects_release(&os);
	return 0;
}

static void one_name_is_one_object(void **state)
{
	char name[32];

	(void)state;
	for (int i = 0; i < 1000; i++) {
		snprintf(name, sizeof name, "%d", i * 7919 % 1000);
		objects_get(&os, name, false, i);
	}
	assert_int_equal(os.n, 1003);
	assert_ptr_equal(objects_get(&os, ONES, true, 7), plain);
	assert_ptr_equal(objects_get(&os, "? 7 1 /a", false, 7), unknown);
	assert_int_equal(os.n, 1003);
}

static void only_keys_are_asked_for(void **state)
{
	struct strbuf body = STRBUF_INIT;

	(void)state;
	objects_ask(&os, &body);
	assert_string_equal(body.buf, ONES " 7\n" ONES ".x 7\n");
	strbuf_release(&body);
}

static void answer_tells_what_is_there(void **state)
{
	static const char reply[] = ONES ".x 7\nE 1\n";

	(void)state;
	assert_int_equal(objects_answer(&os, reply, strlen(reply), NULL), 0);
	assert_true(program->there);
	assert_false(plain->there);
	assert_false(unknown->there);
	assert_int_equal(objects_answer(&os, "E 0\n", 4, NULL), 0);
}

static void any_other_answer_is_none(void **state)
{
	static const char *const replies[] = {
		"", "E 0", "E 1\n", "E 00\n", "E -1\n", "E \n", "E 0\n\n", "\nE 0\n", "E 0\nE 0\n",
		ONES " 7\n", ONES " 7\nE 0\n", ONES " 7\nE 2\n", ONES " 7\nE 1", ONES " 7\n" ONES " 7\nE 2\n",
		ONES " 8\nE 1\n", ONES "  7\nE 1\n", ONES " 7 \nE 1\n", ONES "\nE 1\n", ONES "1 7\nE 1\n", "? 7 1 /a 7\nE 1\n",
		"? 7\nE 1\n", "noise\n" ONES " 7\nE 1\n", ONES " 7\nE 1\nnoise\n",
	};
	struct error err;

	(void)state;
	for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
		error_clear(&err);
		if (objects_answer(&os, replies[i], strlen(replies[i]), &err) == 0)
			fail_msg("taken: '%s'", replies[i]);
		assert_int_equal(err.kind, ERROR_PROTOCOL);
		assert_false(plain->there || program->there || unknown->there);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_name_is_one_object),
		TEST(only_keys_are_asked_for),
		TEST(answer_tells_what_is_there),
		TEST(any_other_answer_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
