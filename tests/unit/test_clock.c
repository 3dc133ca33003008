#include "testing.h"

#include <poll.h>
#include <time.h>

#include "util/clock.h"

static void times_are_written_as_rfc3339(void **state)
{
	static const struct {
		int64_t ms;
		const char *text;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 1, "1970-01-01T00:00:00.001Z" },
		{ -1, "1969-12-31T23:59:59.999Z" },
		{ -1000, "1969-12-31T23:59:59.000Z" },
		{ INT64_C(951782400000), "2000-02-29T00:00:00.000Z" },
		{ INT64_C(1795305489123), "2026-11-21T23:58:09.123Z" },
		{ INT64_C(253402300799999), "9999-12-31T23:59:59.999Z" },
	};
	char s[CLOCK_TEXT];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		clock_rfc3339(rows[i].ms, s);
		assert_string_equal(s, rows[i].text);
	}
}

static void times_no_calendar_holds_stay_inside_their_buffer(void **state)
{
	static const int64_t rows[] = { INT64_MAX, INT64_MIN, INT64_MAX / 2, INT64_MIN / 2 };
	char s[CLOCK_TEXT];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		clock_rfc3339(rows[i], s);
		assert_true(*s && strlen(s) < CLOCK_TEXT);
		clock_local(rows[i], s);
		assert_true(*s && strlen(s) < CLOCK_TEXT);
		clock_span(rows[i], s);
		assert_true(*s && strlen(s) < CLOCK_TEXT);
	}
}

static void local_times_follow_the_zone(void **state)
{
	char s[CLOCK_TEXT];

	(void)state;
	setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1);
	clock_local(INT64_C(1795305489123), s);
	assert_string_equal(s, "2026-11-22 00:58:09");
	clock_local(INT64_C(1782864000000), s);
	assert_string_equal(s, "2026-07-01 02:00:00");
	setenv("TZ", "UTC0", 1);
	clock_local(INT64_C(1795305489123), s);
	assert_string_equal(s, "2026-11-21 23:58:09");
}

static void spans_have_two_units_at_most(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} rows[] = {
		{ -5, "0s" }, { 0, "0s" }, { 42, "42s" }, { 59, "59s" }, { 60, "1m00s" }, { 187, "3m07s" },
		{ 3599, "59m59s" }, { 3600, "1h00m" }, { 3720, "1h02m" }, { 86399, "23h59m" },
		{ 86400, "1d00h" }, { 183600, "2d03h" }, { 86400000, "1000d00h" },
	};
	char s[CLOCK_TEXT];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		clock_span(rows[i].seconds * 1000 + (rows[i].seconds > 0 ? 999 : 0), s);
		assert_string_equal(s, rows[i].text);
	}
}

static void a_deadline_passes(void **state)
{
	deadline_t d = deadline_in_ms(30);
	int rounds = 0;

	(void)state;
	assert_in_range(deadline_left_ms(d), 1, 30);
	while (deadline_left_ms(d) > 0 && rounds++ < 1000)
		poll(NULL, 0, deadline_poll_ms(d));
	assert_int_equal(deadline_left_ms(d), 0);
	assert_int_equal(deadline_poll_ms(d), 0);
	assert_true(clock_boot_ms() >= d);
	assert_int_equal(deadline_left_ms(deadline_in_ms(0)), 0);
	assert_int_equal(deadline_left_ms(deadline_in_ms(-5)), 0);
}

static void a_far_deadline_is_looked_at_every_second(void **state)
{
	(void)state;
	assert_int_equal(deadline_poll_ms(DEADLINE_NONE), 1000);
	assert_int_equal(deadline_poll_ms(deadline_in_ms(3600000)), 1000);
	assert_true(deadline_left_ms(DEADLINE_NONE) == INT64_MAX);
	assert_true(deadline_in_ms(INT64_MAX) == DEADLINE_NONE);
	assert_true(deadline_in_ms(INT64_MAX - 1) == DEADLINE_NONE);
}

static void the_earlier_deadline_wins(void **state)
{
	(void)state;
	assert_int_equal(deadline_earlier(1, 2), 1);
	assert_int_equal(deadline_earlier(2, 1), 1);
	assert_int_equal(deadline_earlier(DEADLINE_NONE, 3), 3);
}

static void the_wall_clock_is_the_systems(void **state)
{
	int64_t before = (int64_t)time(NULL) * 1000, now = clock_wall_ms();

	(void)state;
	assert_in_range(now - before, 0, 60000);
}

static int64_t noon(void)
{
	return 12 * 3600 * 1000;
}

static void wall_time_can_be_simulated(void **state)
{
	(void)state;
	clock_simulate(noon);
	assert_int_equal(clock_wall_ms(), noon());
	clock_simulate(NULL);
	assert_true(clock_wall_ms() > noon());
}

static void a_time_far_ahead_is_long_ago(void **state)
{
	(void)state;
	assert_int_equal(clock_since_ms(1000, 1500), 500);
	assert_int_equal(clock_since_ms(1500, 1000), 0);
	assert_int_equal(clock_since_ms(3600000, 0), 0);
	assert_true(clock_since_ms(3600001, 0) == CLOCK_LONG_AGO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_written_as_rfc3339),
		cmocka_unit_test(times_no_calendar_holds_stay_inside_their_buffer),
		cmocka_unit_test(local_times_follow_the_zone),
		cmocka_unit_test(spans_have_two_units_at_most),
		cmocka_unit_test(a_deadline_passes),
		cmocka_unit_test(a_far_deadline_is_looked_at_every_second),
		cmocka_unit_test(the_earlier_deadline_wins),
		cmocka_unit_test(the_wall_clock_is_the_systems),
		cmocka_unit_test(wall_time_can_be_simulated),
		cmocka_unit_test(a_time_far_ahead_is_long_ago),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
