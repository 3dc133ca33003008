#include "testing.h"

#include "util/clock.h"
#include "util/id.h"

static void a_uuid_has_its_form_version_and_variant(void **state)
{
	char s[ID_UUID_LEN + 1];
	int i;

	(void)state;
	for (i = 0; i < 1000; i++) {
		id_uuid7(clock_wall_ms(), s);
		assert_true(id_is_uuid(s));
		assert_int_equal(s[14], '7');
		assert_non_null(strchr("89ab", s[19]));
	}
}

static void a_uuid_begins_with_the_milliseconds(void **state)
{
	int64_t ms = clock_wall_ms() + 1000000;
	char s[ID_UUID_LEN + 1];
	unsigned int high, low;

	(void)state;
	id_uuid7(ms, s);
	assert_int_equal(sscanf(s, "%8x-%4x-", &high, &low), 2);
	assert_true(((int64_t)high << 16 | low) == ms);
	assert_int_equal(ms % 65536, low);
}

/* 5000 in one millisecond are more than its counter holds. */
static void ids_sort_as_they_were_made(void **state)
{
	int64_t ms = clock_wall_ms() + 2000000;
	char last[ID_UUID_LEN + 1], s[ID_UUID_LEN + 1];
	int i;

	(void)state;
	id_uuid7(ms, last);
	for (i = 0; i < 5000; i++) {
		id_uuid7(ms, s);
		assert_true(strcmp(last, s) < 0);
		memcpy(last, s, sizeof last);
	}
	for (i = 0; i < 100; i++) {
		id_uuid7(ms - 500000 * i, s); /* the clock stepped back */
		assert_true(strcmp(last, s) < 0);
		memcpy(last, s, sizeof last);
	}
	id_uuid7(-1, s);
	assert_true(strcmp(last, s) < 0);
}

static void make_in_child(void *arg)
{
	char s[ID_UUID_LEN + 1];

	(void)arg;
	id_uuid7(1, s);
	fprintf(stderr, "%s ", s);
	id_token(s);
	fprintf(stderr, "%s", s);
}

static void a_forked_child_makes_others(void **state)
{
	struct strbuf a = STRBUF_INIT, b = STRBUF_INIT;

	(void)state;
	assert_int_equal(test_in_child(make_in_child, NULL, &a), 0);
	assert_int_equal(test_in_child(make_in_child, NULL, &b), 0);
	assert_int_equal(a.len, ID_UUID_LEN + 1 + ID_TOKEN_LEN);
	assert_int_equal(b.len, a.len);
	assert_memory_not_equal(a.buf + 19, b.buf + 19, ID_UUID_LEN - 19);
	assert_memory_not_equal(a.buf + ID_UUID_LEN + 1, b.buf + ID_UUID_LEN + 1, ID_TOKEN_LEN);
	strbuf_release(&a);
	strbuf_release(&b);
}

static void other_forms_are_no_uuid(void **state)
{
	static const char *const bad[] = {
		"", "0", "01890a5d-ac96-774b-bcce-b302099a805", "01890a5d-ac96-774b-bcce-b302099a80577",
		"01890A5D-ac96-774b-bcce-b302099a8057", "01890a5dac96-774b-bcce--b302099a8057",
		"01890a5d-ac96-774b-bcce-b302099a805g", "01890a5d-ac96-774b-bcce-b302099a805\n",
		"../90a5d-ac96-774b-bcce-b302099a8057",
	};
	size_t i;

	(void)state;
	assert_true(id_is_uuid("01890a5d-ac96-774b-bcce-b302099a8057"));
	for (i = 0; i < COUNT(bad); i++)
		assert_false(id_is_uuid(bad[i]));
}

static void tokens_are_128_bits_in_hex_and_differ(void **state)
{
	char a[ID_TOKEN_LEN + 1], b[ID_TOKEN_LEN + 1];

	(void)state;
	id_token(a);
	id_token(b);
	assert_int_equal(strlen(a), 32);
	assert_true(id_is_token(a) && id_is_token(b));
	assert_string_not_equal(a, b);
	assert_false(id_is_token(""));
	a[31] = '\0';
	assert_false(id_is_token(a));
	b[0] = 'A';
	assert_false(id_is_token(b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_uuid_has_its_form_version_and_variant),
		cmocka_unit_test(a_uuid_begins_with_the_milliseconds),
		cmocka_unit_test(ids_sort_as_they_were_made),
		cmocka_unit_test(a_forked_child_makes_others),
		cmocka_unit_test(other_forms_are_no_uuid),
		cmocka_unit_test(tokens_are_128_bits_in_hex_and_differ),
	};

	return cmocka_run_group_tests_name("id", tests, NULL, NULL);
}
