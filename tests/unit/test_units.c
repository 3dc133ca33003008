#include "testing.h"

#include "util/error.h"
#include "util/units.h"

enum { REFUSED = -1 };

struct row {
	const char *text;
	int64_t value;
};

static void parse_all(int (*parse)(const char *, int64_t *, struct error *), const struct row *rows, size_t n)
{
	struct error err;
	int64_t got;
	size_t i;

	for (i = 0; i < n; i++) {
		error_clear(&err);
		got = 12345;
		if (rows[i].value == REFUSED) {
			assert_int_equal(parse(rows[i].text, &got, &err), -1);
			assert_int_equal(err.kind, ERROR_SPEC);
			assert_non_null(strstr(err.text, " is not a "));
			assert_int_equal(got, 12345);
		} else {
			assert_int_equal(parse(rows[i].text, &got, &err), 0);
			assert_true(got == rows[i].value);
		}
	}
}

static void times_follow_sbatch(void **state)
{
	static const struct row rows[] = {
		{ "1", 60 }, { "90", 5400 }, { "0:30", 30 }, { "1:30", 90 }, { "90:00", 5400 },
		{ "4:00:00", 14400 }, { "04:00:00", 14400 }, { "0:0:1", 1 }, { "100:00:00", 360000 },
		{ "1-0", 86400 }, { "1-12", 129600 }, { "2-1:30", 178200 }, { "2-1:30:15", 178215 },
		{ "0-0:0:1", 1 }, { "1-00:00:00", 86400 },
		{ "1s", 1 }, { "90s", 90 }, { "15m", 900 }, { "4h", 14400 }, { "2d", 172800 },
		{ "9999999999", 599999999940 },
		{ "", REFUSED }, { "0", REFUSED }, { "0:0", REFUSED }, { "0s", REFUSED }, { "0-0", REFUSED },
		{ "-1", REFUSED }, { "+1", REFUSED }, { " 1", REFUSED }, { "1 ", REFUSED }, { "1:", REFUSED },
		{ ":1", REFUSED }, { "1::2", REFUSED }, { "1:2:3:4", REFUSED }, { "1-", REFUSED },
		{ "1-2-3", REFUSED }, { "1-2:3:4:5", REFUSED }, { "1-2:", REFUSED }, { "1.5h", REFUSED },
		{ "1w", REFUSED }, { "1ms", REFUSED }, { "1S", REFUSED }, { "1h30m", REFUSED }, { "h", REFUSED },
		{ "0x10", REFUSED }, { "1e3", REFUSED }, { "UNLIMITED", REFUSED }, { "12345678901", REFUSED },
		{ "1-12345678901", REFUSED }, { "99999999999999999999999999", REFUSED }, { "\xd9\xa1", REFUSED },
	};

	(void)state;
	parse_all(units_parse_time, rows, COUNT(rows));
}

static void durations_are_seconds_unless_they_say(void **state)
{
	static const struct row rows[] = {
		{ "0", 0 }, { "30", 30000 }, { "90s", 90000 }, { "15m", 900000 }, { "4h", 14400000 },
		{ "2d", 172800000 }, { "250ms", 250 }, { "0ms", 0 }, { "9999999999d", 863999999913600000 },
		{ "", REFUSED }, { "ms", REFUSED }, { "-1", REFUSED }, { "1.5", REFUSED }, { "1 s", REFUSED },
		{ "1:00", REFUSED }, { "1M", REFUSED }, { "12345678901", REFUSED },
	};

	(void)state;
	parse_all(units_parse_duration, rows, COUNT(rows));
}

static void sizes_are_powers_of_1024_and_mib_when_bare(void **state)
{
	static const struct row rows[] = {
		{ "0", 0 }, { "1", 1 << 20 }, { "4096", INT64_C(4) << 30 }, { "1K", 1024 }, { "1k", 1024 },
		{ "512M", 512 << 20 }, { "32G", INT64_C(32) << 30 }, { "32GB", INT64_C(32) << 30 },
		{ "32GiB", INT64_C(32) << 30 }, { "32g", INT64_C(32) << 30 }, { "2T", INT64_C(2) << 40 },
		{ "8388607T", INT64_C(8388607) << 40 }, { "8388608T", REFUSED }, { "9999999999T", REFUSED },
		{ "", REFUSED }, { "G", REFUSED }, { "1.5G", REFUSED }, { "-1G", REFUSED }, { "1P", REFUSED },
		{ "1B", REFUSED }, { "1Gi", REFUSED }, { "1Gb", REFUSED }, { "1GBB", REFUSED }, { "1 G", REFUSED },
		{ "1G ", REFUSED }, { "12345678901", REFUSED },
	};

	(void)state;
	parse_all(units_parse_size, rows, COUNT(rows));
}

static void a_refusal_shows_the_value_and_what_was_expected(void **state)
{
	struct error err;
	int64_t n;

	(void)state;
	assert_int_equal(units_parse_time("soon\n\033[2J", &n, &err), -1);
	assert_string_equal(err.text, "'soon\\n\\e[2J' is not a time: M, M:S, H:M:S, D-H[:M[:S]], "
				      "or a number with s, m, h or d");
	assert_int_equal(units_parse_time("0", &n, &err), -1);
	assert_string_equal(err.text, "'0' is not a time of at least one second");
	assert_int_equal(units_parse_size("99999999T", &n, &err), -1);
	assert_string_equal(err.text, "'99999999T' is not a size below 8 EiB");
	assert_int_equal(units_parse_size("x", &n, NULL), -1);
}

static void written_times_are_read_back(void **state)
{
	static const int64_t rows[] = { 1, 59, 60, 3599, 3600, 14400, 86399, 86400, 90061, 8640000 };
	char s[UNITS_TEXT];
	int64_t n;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		units_time(rows[i], s);
		assert_int_equal(units_parse_time(s, &n, NULL), 0);
		assert_true(n == rows[i]);
	}
	units_time(14400, s);
	assert_string_equal(s, "4:00:00");
	units_time(86400, s);
	assert_string_equal(s, "1-00:00:00");
	units_time(-1, s);
	assert_string_equal(s, "0:00:00");
	units_time(INT64_MAX, s);
	assert_string_equal(s, "106751991167300-15:30:07");
}

static void written_sizes_round_into_the_next_unit(void **state)
{
	static const struct {
		int64_t bytes;
		const char *text;
	} rows[] = {
		{ -1, "0 B" }, { 0, "0 B" }, { 512, "512 B" }, { 1023, "1023 B" }, { 1024, "1.0 KiB" },
		{ 1536, "1.5 KiB" }, { 1048524, "1023.9 KiB" }, { 1048525, "1.0 MiB" }, { 1048576, "1.0 MiB" },
		{ INT64_C(40) << 30, "40.0 GiB" }, { INT64_C(3) << 40, "3.0 TiB" }, { INT64_MAX, "8.0 EiB" },
	};
	char s[UNITS_TEXT];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		units_size(rows[i].bytes, s);
		assert_string_equal(s, rows[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_follow_sbatch),
		cmocka_unit_test(durations_are_seconds_unless_they_say),
		cmocka_unit_test(sizes_are_powers_of_1024_and_mib_when_bare),
		cmocka_unit_test(a_refusal_shows_the_value_and_what_was_expected),
		cmocka_unit_test(written_times_are_read_back),
		cmocka_unit_test(written_sizes_round_into_the_next_unit),
	};

	return cmocka_run_group_tests_name("units", tests, NULL, NULL);
}
