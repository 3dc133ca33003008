#include "testing.h"

#include "store/chain.h"
#include "util/xalloc.h"

enum { ROWS = 6, ROOM = 16 };

static char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
static char forty_two[] = "4242424242424242424242424242424242424242424242424242424242424242";

/* A history in memory; texts of rows are of this file, hashes in `hash`. */
struct history {
	struct event_row v[ROOM];
	char prev[ROOM][DIGEST_HEX + 1], hash[ROOM][DIGEST_HEX + 1];
	const char *odd[ROOM];
	size_t n;
	struct event_head head;
};

static void set_hash(struct history *h, size_t i, const char *prev)
{
	memmove(h->prev[i], prev, DIGEST_HEX + 1);
	h->v[i].prev_hash = h->prev[i];
	event_hash(&h->v[i], h->hash[i]);
	h->v[i].hash = h->hash[i];
}

static struct event_row row(int64_t seq)
{
	static char name[] = "started", from[] = "LAUNCHING", to[] = "RUNNING", actor[] = "ada@laptop:1";

	return (struct event_row){ .seq = seq, .job = 100 + seq, .at_ms = 1000 * seq, .attempt = 1, .name = name, .from = from,
				   .to = to, .actor = actor };
}

static void make(struct history *h)
{
	*h = (struct history){ .n = ROWS };
	for (size_t i = 0; i < h->n; i++) {
		h->v[i] = row((int64_t)i + 1);
		set_hash(h, i, i ? h->hash[i - 1] : zeros);
	}
	h->head.highest = h->head.seq = ROWS;
	memcpy(h->head.hash, h->hash[ROWS - 1], sizeof h->head.hash);
}

static void move_row(struct history *h, size_t to, size_t from)
{
	h->v[to] = h->v[from];
	memcpy(h->prev[to], h->prev[from], sizeof h->prev[to]);
	memcpy(h->hash[to], h->hash[from], sizeof h->hash[to]);
	h->v[to].prev_hash = h->prev[to];
	h->v[to].hash = h->hash[to];
}

static void delete_row(struct history *h, size_t i)
{
	for (h->n--; i < h->n; i++)
		move_row(h, i, i + 1);
}

/* Later rows get other numbers, and no new hashes. */
static void insert_row(struct history *h, size_t i, bool good_hash)
{
	for (size_t k = h->n++; k > i; k--) {
		move_row(h, k, k - 1);
		h->v[k].seq++;
	}
	h->v[i] = row((int64_t)i + 1);
	h->v[i].job = 7;
	if (good_hash) {
		set_hash(h, i, i ? h->hash[i - 1] : zeros);
	} else {
		set_hash(h, i, forty_two);
		memcpy(h->hash[i], forty_two, sizeof h->hash[i]);
	}
	h->head.highest++; /* SQLite counts */
}

static struct chain_finding look(const struct history *h)
{
	struct chain c;
	char made[DIGEST_HEX + 1];

	chain_begin(&c, &h->head);
	for (size_t i = 0; i < h->n; i++) {
		if (h->odd[i])
			made[0] = '\0';
		else
			event_hash(&h->v[i], made);
		chain_add(&c, &h->v[i], h->odd[i], made);
	}
	chain_end(&c);
	assert_int_equal(c.rows, h->n);
	return c.finding;
}

static void assert_found(const struct history *h, enum chain_what what, int64_t seq, const char *words)
{
	struct chain_finding f = look(h);

	if (f.what != what || f.seq != seq || !strstr(f.text, words))
		fail_msg("found '%s' (%s, row %lld); %s, row %lld, '%s' is expected", f.text, strtab_word(chain_words, (int)f.what),
			 (long long)f.seq, strtab_word(chain_words, (int)what), (long long)seq, words);
}

static void a_whole_history_is_whole(void **state)
{
	struct history h;

	(void)state;
	make(&h);
	assert_int_equal(look(&h).what, CHAIN_WHOLE);
	h.head.seq = 0; /* as before the last row was on record */
	assert_int_equal(look(&h).what, CHAIN_WHOLE);
	h.n = 0;
	h.head.highest = 0;
	assert_int_equal(look(&h).what, CHAIN_WHOLE);
}

static void an_edited_row_is_named_wherever_it_is(void **state)
{
	static char reason[] = "oom";
	struct history h;

	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		make(&h);
		h.v[i].reason = reason;
		assert_found(&h, CHAIN_EDITED, (int64_t)i + 1, "was edited (its hash does not match)");
		assert_int_equal(look(&h).job, 101 + i);
		assert_string_equal(look(&h).name, "started");
	}
}

static void a_row_with_a_new_hash_is_named_wherever_it_is(void **state)
{
	static char reason[] = "oom";
	struct history h;

	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		make(&h);
		h.v[i].reason = reason;
		set_hash(&h, i, h.prev[i]);
		assert_found(&h, CHAIN_EDITED, (int64_t)i + 1, "its hash was made anew");
	}
}

static void an_edited_hash_is_named_wherever_it_is(void **state)
{
	struct history h;

	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		make(&h);
		memcpy(h.hash[i], forty_two, sizeof h.hash[i]);
		assert_found(&h, CHAIN_EDITED, (int64_t)i + 1, "its hash does not match");
		make(&h);
		memcpy(h.prev[i], forty_two, sizeof h.prev[i]);
		assert_found(&h, CHAIN_EDITED, (int64_t)i + 1, "its hash does not match");
	}
}

static void another_row_before_it_is_found(void **state)
{
	struct history h;

	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		make(&h);
		set_hash(&h, i, forty_two);
		if (i == 0)
			assert_found(&h, CHAIN_EDITED, 1, "is not the beginning of the history");
		else if (i + 1 < ROWS) /* it cannot be known which */
			assert_found(&h, CHAIN_EDITED, (int64_t)i, "was edited (they do not fit together)");
	}
	make(&h);
	set_hash(&h, ROWS - 1, forty_two);
	assert_found(&h, CHAIN_EDITED, ROWS - 1, "was edited");
}

static void a_removed_row_is_named_wherever_it_was(void **state)
{
	struct history h;

	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		char words[32];
		make(&h);
		delete_row(&h, i);
		snprintf(words, sizeof words, "row %zu was removed", i + 1);
		assert_found(&h, CHAIN_REMOVED, (int64_t)i + 1, words);
		if (i + 1 < ROWS) {
			delete_row(&h, i);
			snprintf(words, sizeof words, "rows %zu to %zu were removed", i + 1, i + 2);
			assert_found(&h, CHAIN_REMOVED, (int64_t)i + 1, words);
			assert_int_equal(look(&h).last, i + 2);
		}
	}
}

static void a_tail_is_missed_by_either_record(void **state)
{
	struct history h;

	(void)state;
	make(&h);
	h.n -= 2;
	h.head.highest = (int64_t)h.n;
	assert_found(&h, CHAIN_REMOVED, ROWS - 1, "rows 5 to 6 were removed");
	h.head.highest = ROWS;
	h.head.seq = 0;
	assert_found(&h, CHAIN_REMOVED, ROWS - 1, "rows 5 to 6 were removed");
	h.n = 0;
	assert_found(&h, CHAIN_REMOVED, 1, "rows 1 to 6 were removed");
}

static void rows_appended_after_a_cut_do_not_hide_it(void **state)
{
	struct history h;

	(void)state;
	make(&h);
	h.n -= 2;
	h.v[h.n] = row(ROWS + 1);
	set_hash(&h, h.n, h.hash[h.n - 1]);
	h.head.highest = h.head.seq = ROWS + 1;
	memcpy(h.head.hash, h.hash[h.n++], sizeof h.head.hash);
	assert_found(&h, CHAIN_REMOVED, ROWS - 1, "rows 5 to 6 were removed");
}

static void an_inserted_row_is_named_wherever_it_is(void **state)
{
	struct history h;

	(void)state;
	for (size_t i = 0; i <= ROWS; i++)
		for (int good = 0; good < 2; good++) {
			make(&h);
			insert_row(&h, i, good);
			assert_found(&h, CHAIN_INSERTED, (int64_t)i + 1, "was inserted (");
			assert_int_equal(look(&h).job, 7);
		}
	make(&h);
	insert_row(&h, 0, true);
	for (size_t i = 0; i < h.n; i++)
		h.v[i].seq--;
	assert_found(&h, CHAIN_INSERTED, 0, "numbers begin with 1");
}

static void a_row_in_place_of_another_is_found(void **state)
{
	struct history h;

	(void)state;
	for (size_t i = 0; i < ROWS; i++)
		for (int good = 0; good < 2; good++) {
			make(&h);
			delete_row(&h, i);
			insert_row(&h, i, good);
			for (size_t k = i + 1; k < h.n; k++)
				h.v[k].seq = (int64_t)k + 1; /* as they were */
			h.head.highest = ROWS;
			assert_found(&h, CHAIN_EDITED, (int64_t)i + 1, "was edited (");
		}
}

static void swapped_rows_are_found(void **state)
{
	struct history h, was;

	(void)state;
	for (size_t i = 0; i + 1 < ROWS; i++) {
		make(&h);
		was = h;
		move_row(&h, i, i + 1);
		move_row(&was, ROOM - 1, i);
		h.v[i + 1] = was.v[ROOM - 1];
		memcpy(h.prev[i + 1], was.prev[ROOM - 1], sizeof h.prev[0]);
		memcpy(h.hash[i + 1], was.hash[ROOM - 1], sizeof h.hash[0]);
		h.v[i + 1].prev_hash = h.prev[i + 1];
		h.v[i + 1].hash = h.hash[i + 1];
		h.v[i].seq = (int64_t)i + 1;
		h.v[i + 1].seq = (int64_t)i + 2;
		assert_int_equal(look(&h).seq, i + 1);
	}
}

static void a_row_after_the_last_on_record_was_inserted(void **state)
{
	struct history h;

	(void)state;
	make(&h);
	insert_row(&h, ROWS, true);
	h.head.seq = 0; /* nothing tells then: the rules of the states have to */
	assert_int_equal(look(&h).what, CHAIN_WHOLE);
}

static void a_counter_that_was_set_back_is_found(void **state)
{
	struct history h;

	(void)state;
	make(&h);
	h.head.highest = 3;
	assert_found(&h, CHAIN_EDITED, 0, "sqlite_sequence says 3, the last row is 6");
}

static void values_that_cannot_be_are_found(void **state)
{
	struct history h;

	(void)state;
	for (size_t i = 0; i < ROWS; i++) {
		make(&h);
		h.odd[i] = "reason";
		h.v[i].name = h.v[i].prev_hash = h.v[i].hash = h.v[i].to = h.v[i].actor = NULL;
		assert_found(&h, CHAIN_EDITED, (int64_t)i + 1, "column 'reason' has an impossible value");
	}
}

static void a_long_name_is_cut(void **state)
{
	struct history h;
	char name[4096];

	(void)state;
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	make(&h);
	h.v[2].name = name;
	assert_found(&h, CHAIN_EDITED, 3, "hash does not match");
	assert_int_equal(strlen(look(&h).name), CHAIN_NAME - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_history_is_whole),
		cmocka_unit_test(an_edited_row_is_named_wherever_it_is),
		cmocka_unit_test(a_row_with_a_new_hash_is_named_wherever_it_is),
		cmocka_unit_test(an_edited_hash_is_named_wherever_it_is),
		cmocka_unit_test(another_row_before_it_is_found),
		cmocka_unit_test(a_removed_row_is_named_wherever_it_was),
		cmocka_unit_test(a_tail_is_missed_by_either_record),
		cmocka_unit_test(rows_appended_after_a_cut_do_not_hide_it),
		cmocka_unit_test(an_inserted_row_is_named_wherever_it_is),
		cmocka_unit_test(a_row_in_place_of_another_is_found),
		cmocka_unit_test(swapped_rows_are_found),
		cmocka_unit_test(a_row_after_the_last_on_record_was_inserted),
		cmocka_unit_test(a_counter_that_was_set_back_is_found),
		cmocka_unit_test(values_that_cannot_be_are_found),
		cmocka_unit_test(a_long_name_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
