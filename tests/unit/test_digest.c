#include "testing.h"

#include "util/digest.h"

static void known_answers_are_given(void **state)
{
	/* FIPS 180-4 examples, and the empty message */
	static const char *const rows[][2] = {
		{ "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
		{ "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
		{ "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1" },
	};
	char hex[DIGEST_HEX + 1];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		digest_hex(rows[i][0], strlen(rows[i][0]), hex);
		assert_string_equal(hex, rows[i][1]);
	}
}

static void pieces_of_any_size_give_the_same(void **state)
{
	unsigned char data[500];
	char whole[DIGEST_HEX + 1], pieces[DIGEST_HEX + 1];
	size_t i, size;

	(void)state;
	for (i = 0; i < sizeof data; i++)
		data[i] = (unsigned char)test_random(256);
	digest_hex(data, sizeof data, whole);
	for (size = 1; size < 200; size += 7) {
		struct digest *d = digest_new();

		for (i = 0; i < sizeof data; i += size)
			digest_add(d, data + i, sizeof data - i < size ? sizeof data - i : size);
		digest_add(d, data, 0);
		digest_finish_hex(d, pieces);
		digest_free(d);
		assert_string_equal(pieces, whole);
	}
	digest_free(NULL);
}

static void an_unfinished_digest_is_freed(void **state)
{
	struct digest *d = digest_new();

	(void)state;
	digest_add(d, "abc", 3);
	digest_free(d);
}

static void hex_is_lower_case_of_the_exact_length(void **state)
{
	(void)state;
	assert_true(digest_is_hex("00ff", 4));
	assert_true(digest_is_hex("", 0));
	assert_false(digest_is_hex("00ff", 3));
	assert_false(digest_is_hex("00ff", 5));
	assert_false(digest_is_hex("00FF", 4));
	assert_false(digest_is_hex("00fg", 4));
	assert_false(digest_is_hex(" 0ff", 4));
	assert_false(digest_is_hex("00f\n", 4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers_are_given),
		cmocka_unit_test(pieces_of_any_size_give_the_same),
		cmocka_unit_test(an_unfinished_digest_is_freed),
		cmocka_unit_test(hex_is_lower_case_of_the_exact_length),
	};

	return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
