/* Who is hired and who is up.  What a crew does with a file is tested in test_sftp_stripe.c. */
#include "testing.h"

#include "scripted.h"
#include "transport/sftp.h"
#include "transport/sftp_copy.h"
#include "transport/sftp_crew.h"
#include "util/clock.h"
#include "util/error.h"

enum {
	LONG_MS = 60000,
	MiB = 1 << 20,
};

static struct transport *far_side;
static struct sftp *first;
static struct sftp_crew *crew;
static struct error err;

/* These never say a word, or die at once. */
static size_t silent_from, dying_from;

static void greets(int fd, int errfd)
{
	(void)errfd;
	if (dying_from && scripted_number() >= dying_from)
		return;
	if (!silent_from || scripted_number() < silent_from)
		scripted_greet(fd, NULL);
	while (scripted_next(fd).type) /* and the INIT of who is silent */
		;
}

static void begin(size_t most, size_t refuse_from)
{
	far_side = scripted_open(greets);
	scripted_refuse_from(far_side, refuse_from);
	first = sftp_open(far_side, deadline_in_ms(LONG_MS), &err);
	if (!first)
		fail_msg("%s", err.text);
	crew = sftp_crew_new(far_side, first, most);
}

static void end(void)
{
	sftp_crew_close(crew);
	sftp_close(first);
	scripted_close(far_side);
	silent_from = dying_from = 0;
}

static size_t count_up(void)
{
	struct sftp *up[SFTP_CREW_MAX];
	size_t n = sftp_crew_up(crew, up);

	for (size_t i = 0; i < n; i++)
		assert_true(i > 0 ? up[i] != first : up[i] == first);
	return n;
}

static void pump_until_up(size_t n)
{
	while (count_up() < n && sftp_check(first, NULL) == 0)
		sftp_crew_pump(crew, true);
	assert_int_equal(count_up(), n);
}

static void as_many_as_help_are_hired(void **state)
{
	static const struct { int64_t ms; uint64_t bytes; size_t want; } rows[] = {
		{ -1, UINT64_MAX, 1 }, { 0, UINT64_MAX, 1 }, { 2, UINT64_MAX, 1 }, { 4, UINT64_MAX, 1 },
		{ 5, UINT64_MAX, 2 }, { 20, UINT64_MAX, 5 }, { 50, UINT64_MAX, 8 }, { INT64_MAX, UINT64_MAX, 8 },
		{ 50, 0, 1 }, { 50, 8 * MiB, 1 }, { 50, 12 * MiB, 2 }, { 50, 13 * MiB, 3 }, { 50, 64 * MiB, 8 },
		{ 20, 64 * MiB, 5 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		if (sftp_crew_worth(rows[i].ms, rows[i].bytes) != rows[i].want)
			fail_msg("row %zu: %zu", i, sftp_crew_worth(rows[i].ms, rows[i].bytes));
}

static void where_there_is_no_wire_one_is_enough(void **state)
{
	(void)state;
	begin(0, 0);
	sftp_crew_hire(crew, UINT64_MAX);
	assert_int_equal(scripted_channels(far_side), 1);
	end();
}

static void they_come_up_while_it_is_pumped_and_are_hired_once(void **state)
{
	(void)state;
	for (size_t most = 1; most <= SFTP_CREW_MAX + 2; most++) {
		size_t want = most < SFTP_CREW_MAX ? most : SFTP_CREW_MAX;

		begin(most, 0);
		assert_int_equal(count_up(), 1);
		for (int i = 0; i < 3; i++) {
			sftp_crew_hire(crew, 0);
			pump_until_up(want);
			assert_int_equal(scripted_channels(far_side), want);
		}
		assert_int_equal(sftp_in_flight(first), 0);
		end();
	}
}

static void pumping_without_blocking_returns(void **state)
{
	(void)state;
	silent_from = 2;
	begin(4, 0);
	sftp_crew_hire(crew, 0);
	for (int i = 0; i < 100; i++)
		sftp_crew_pump(crew, false);
	assert_int_equal(count_up(), 1);
	end(); /* while they are being opened */
}

static void after_a_refusal_nobody_is_asked_for(void **state)
{
	(void)state;
	for (size_t from = 2; from <= 4; from++) {
		begin(4, from);
		sftp_crew_hire(crew, 0);
		pump_until_up(from - 1);
		sftp_crew_pump(crew, false);
		sftp_crew_hire(crew, UINT64_MAX);
		assert_int_equal(scripted_channels(far_side), 4);
		assert_int_equal(count_up(), from - 1);
		end();
	}
}

static void one_that_ends_at_once_is_as_if_refused(void **state)
{
	(void)state;
	dying_from = 3;
	begin(4, 0);
	sftp_crew_hire(crew, 0);
	pump_until_up(2);
	sftp_crew_hire(crew, UINT64_MAX);
	assert_int_equal(scripted_channels(far_side), 4);
	assert_int_equal(sftp_check(first, &err), 0);
	end();
}

static void one_deadline_holds_for_all_and_breaks_all(void **state)
{
	struct sftp *up[SFTP_CREW_MAX];
	size_t n;

	(void)state;
	begin(3, 0);
	sftp_crew_hire(crew, 0);
	pump_until_up(3);
	n = sftp_crew_up(crew, up);
	sftp_set_deadline(first, deadline_in_ms(100));
	while (count_up() > 0)
		sftp_crew_pump(crew, true);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(sftp_check(up[i], &err), -1);
		assert_int_equal(err.kind, ERROR_TIMEOUT);
	}
	sftp_crew_hire(crew, 0);
	assert_int_equal(scripted_channels(far_side), 3);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_as_help_are_hired),
		cmocka_unit_test(where_there_is_no_wire_one_is_enough),
		cmocka_unit_test(they_come_up_while_it_is_pumped_and_are_hired_once),
		cmocka_unit_test(pumping_without_blocking_returns),
		cmocka_unit_test(after_a_refusal_nobody_is_asked_for),
		cmocka_unit_test(one_that_ends_at_once_is_as_if_refused),
		cmocka_unit_test(one_deadline_holds_for_all_and_breaks_all),
	};

	return cmocka_run_group_tests_name("sftp_crew", tests, NULL, NULL);
}
