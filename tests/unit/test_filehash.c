#include "store_fixture.h"

#include "store/filehash.h"

#define ONES "1111111111111111111111111111111111111111111111111111111111111111"
#define TWOS "2222222222222222222222222222222222222222222222222222222222222222"

static const struct filehash some = { .dev = UINT64_MAX, .ino = UINT64_MAX - 1, .size = INT64_C(1) << 40,
				      .mtime_ns = INT64_C(1795305600123456789), .ctime_ns = INT64_C(1795305600123456790), .sha256 = ONES };

static void put(struct store *s, const struct filehash *f)
{
	struct error err = { 0 };

	if (filehash_put(s, f, 1, &err) != 0)
		fixture_fail(&err);
}

static bool is_known(struct store *s, struct filehash f, const char *sha256)
{
	struct error err = { 0 };
	enum answer known;

	f.sha256[0] = '\0';
	known = filehash_get(s, &f, &err);
	if (known == ANSWER_UNKNOWN)
		fixture_fail(&err);
	assert_string_equal(f.sha256, known == ANSWER_YES ? sha256 : "");
	return known == ANSWER_YES;
}

static void file_is_known_until_anything_of_it_is_another(void **state)
{
	struct fixture *f = *state;
	struct filehash other;

	assert_false(is_known(f->s, some, ONES));
	put(f->s, &some);
	assert_true(is_known(f->s, some, ONES));
	other = some, other.dev--;
	assert_false(is_known(f->s, other, ONES));
	other = some, other.ino--;
	assert_false(is_known(f->s, other, ONES));
	other = some, other.size--;
	assert_false(is_known(f->s, other, ONES));
	other = some, other.mtime_ns++;
	assert_false(is_known(f->s, other, ONES));
	other = some, other.ctime_ns++;
	assert_false(is_known(f->s, other, ONES));
}

static void what_is_newer_replaces_what_was(void **state)
{
	struct fixture *f = *state;
	struct filehash newer = some;

	put(f->s, &some);
	newer.ctime_ns++;
	memcpy(newer.sha256, TWOS, sizeof newer.sha256);
	put(f->s, &newer);
	assert_false(is_known(f->s, some, ONES));
	assert_true(is_known(f->s, newer, TWOS));
	fixture_expect(f->s->db, "SELECT count(*) FROM file_hash", "1\n");
}

static void what_was_not_hashed_for_a_year_is_forgotten(void **state)
{
	struct fixture *f = *state;
	struct filehash other = some;

	put(f->s, &some);
	fixture_exec(f->s->db, "UPDATE file_hash SET seen_ms = seen_ms - 400 * 24 * 3600000");
	other.ino = 7;
	put(f->s, &other);
	assert_false(is_known(f->s, some, ONES));
	assert_true(is_known(f->s, other, ONES));
}

static void a_hash_that_is_none_is_not_known(void **state)
{
	struct fixture *f = *state;

	put(f->s, &some);
	fixture_exec(f->s->db, "UPDATE file_hash SET sha256 = 'x'");
	assert_false(is_known(f->s, some, ONES));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(file_is_known_until_anything_of_it_is_another),
		TEST(what_is_newer_replaces_what_was),
		TEST(what_was_not_hashed_for_a_year_is_forgotten),
		TEST(a_hash_that_is_none_is_not_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
