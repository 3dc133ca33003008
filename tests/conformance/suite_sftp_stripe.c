/*
 * One file over several sessions of one transport (sftp_stripe.h).
 */
#include "suite_sftp.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "transport/exec.h"
#include "transport/sftp_crew.h"
#include "transport/sftp_stripe.h"
#include "util/fsutil.h"

enum {
	MiB = 1 << 20,
	BIG = 48 * MiB,
	TRIES = 50, /* until all sessions have got something: how quick they are is not promised */
};

static void assert_pattern(const char *path, unsigned int seed, uint64_t size)
{
	struct strbuf sb = STRBUF_INIT;
	struct error err;

	assert_ok(fsutil_read(path, BIG, &sb, &err), &err);
	assert_true(sb.len == size);
	for (size_t i = 0; i < sb.len; i++)
		if ((unsigned char)sb.buf[i] != pattern_byte(seed, i))
			fail_msg("%s differs at %zu", path, i);
	strbuf_release(&sb);
}

/* A crew of so many, all up. */
static struct sftp_crew *crew_of(struct fixture *f, size_t n)
{
	struct sftp_crew *crew = sftp_crew_new(suite_transport(), f->s, n);
	struct sftp *up[SFTP_CREW_MAX];
	deadline_t deadline = deadline_in_ms(SUITE_SFTP_DEADLINE_MS);

	sftp_crew_hire(crew, UINT64_MAX);
	while (sftp_crew_up(crew, up) < n && deadline_left_ms(deadline) > 0)
		sftp_crew_pump(crew, true);
	assert_int_equal(sftp_crew_up(crew, up), n);
	return crew;
}

static struct sftp_stripe stripe_of(struct sftp_put *put, const struct pattern *p)
{
	return (struct sftp_stripe){ .put = put, .size = p->size, .offset = p->offset };
}

static void sizes_around_a_block_arrive_whole_over_any_crew(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 4096, 258047, 258048, 258049, 516096, 3 * MiB + 17 };
	struct fixture *f = *state;

	for (size_t n = 1; n <= SFTP_CREW_MAX; n += 3) {
		struct sftp_crew *crew = crew_of(f, n);

		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			struct pattern p = { .size = sizes[i], .seed = (unsigned int)i };
			struct sftp_put put;
			struct sftp_stripe stripe;
			char name[32];

			snprintf(name, sizeof name, "f%zu-%zu", n, i);
			put = put_file(at(f, name), 0640, &p);
			put.fsync = i % 2;
			stripe = stripe_of(&put, &p);
			assert_ok(sftp_put_striped(crew, &stripe, &f->err), &f->err);
			assert_true(put.bytes == sizes[i] && stripe.whole == sizes[i] && stripe.sessions <= n);
			assert_pattern(put.path, (unsigned int)i, sizes[i]);
			assert_int_equal(mode_of(put.path), 0640);
		}
		sftp_crew_close(crew);
	}
}

static void count_bytes(void *arg, uint64_t n)
{
	*(uint64_t *)arg += n;
}

static void every_session_takes_part(void **state)
{
	enum { SESSIONS = 4 };
	struct fixture *f = *state;
	struct sftp_crew *crew = crew_of(f, SESSIONS);
	struct sftp_stripe stripe = { .sessions = 0 };
	const char *path = at(f, "big");

	for (int i = 0; i < TRIES && stripe.sessions < SESSIONS; i++) {
		uint64_t acknowledged = 0;
		struct sftp_progress progress = { count_bytes, &acknowledged };
		struct pattern p = { .size = BIG, .seed = 3 };
		struct sftp_put put = put_file(path, 0600, &p);

		unlink(path);
		stripe = stripe_of(&put, &p);
		stripe.progress = &progress;
		assert_ok(sftp_put_striped(crew, &stripe, &f->err), &f->err);
		assert_true(acknowledged == BIG && put.bytes == BIG && p.offset == BIG);
	}
	assert_int_equal(stripe.sessions, SESSIONS);
	assert_pattern(path, 3, BIG);
	sftp_crew_close(crew);
}

static void sessions_join_while_it_is_written(void **state)
{
	struct fixture *f = *state;
	struct sftp_crew *crew = sftp_crew_new(suite_transport(), f->s, 5);
	struct pattern p = { .size = BIG, .seed = 4 };
	struct sftp_put put = put_file(at(f, "big"), 0600, &p);
	struct sftp_stripe stripe = stripe_of(&put, &p);

	assert_ok(sftp_put_striped(crew, &stripe, &f->err), &f->err);
	assert_true(stripe.sessions >= 1 && stripe.sessions <= 5);
	assert_pattern(put.path, 4, BIG);
	sftp_crew_close(crew);
}

static void modes_are_exact_even_those_that_forbid_writing(void **state)
{
	static const mode_t modes[] = { 0600, 0644, 0755, 0400, 0444, 0555, 0666 };
	struct fixture *f = *state;
	struct sftp_crew *crew = crew_of(f, 3);

	for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
		struct pattern p = { .size = 2 * MiB, .seed = 1 };
		struct sftp_put put;
		struct sftp_stripe stripe;
		char name[16];

		snprintf(name, sizeof name, "m%zu", i);
		put = put_file(at(f, name), modes[i], &p);
		stripe = stripe_of(&put, &p);
		assert_ok(sftp_put_striped(crew, &stripe, &f->err), &f->err);
		assert_int_equal(mode_of(put.path), modes[i]);
		assert_pattern(put.path, 1, 2 * MiB);
	}
	sftp_crew_close(crew);
}

static void failures_leave_the_crew_whole(void **state)
{
	struct fixture *f = *state;
	struct sftp_crew *crew = crew_of(f, 3);
	struct pattern p = { .size = 2 * MiB }, failing = { .size = 20 * MiB, .fail_at = 10 * MiB };
	struct sftp_put puts[] = {
		put_file(at(f, "there"), 0600, &p), put_file(at(f, "no/file"), 0600, &p),
		put_file(at(f, "source"), 0600, &failing), put_file(at(f, "fine"), 0600, &p),
	};
	struct sftp_stripe stripes[4];

	write_file(f, "there", "mine");
	for (size_t i = 0; i < 4; i++)
		stripes[i] = stripe_of(&puts[i], puts[i].arg);
	assert_error(sftp_put_striped(crew, &stripes[0], &f->err), &f->err, ERROR_EXISTS);
	assert_non_null(strstr(f->err.text, "/there': it exists already"));
	assert_content(at(f, "there"), "mine");
	assert_error(sftp_put_striped(crew, &stripes[1], &f->err), &f->err, ERROR_NOT_FOUND);
	assert_error(sftp_put_striped(crew, &stripes[2], &f->err), &f->err, ERROR_SPEC);
	assert_string_equal(f->err.text, "changed since submit");
	assert_true(stripes[2].whole == puts[2].bytes);
	assert_ok(sftp_put_striped(crew, &stripes[3], &f->err), &f->err);
	assert_pattern(puts[3].path, 0, 2 * MiB);
	sftp_crew_close(crew);
}

static void a_file_goes_on_where_it_was_cut(void **state)
{
	enum { SIZE = 9 * MiB };
	static const uint64_t offsets[] = { 1, 4096, 5 * MiB + 321, SIZE };
	struct fixture *f = *state;
	struct sftp_crew *crew = crew_of(f, 3);

	for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
		struct pattern p = { .size = SIZE };
		const char *path = at(f, "file");
		struct sftp_put put = put_file(path, 0600, &p);
		struct sftp_stripe stripe = stripe_of(&put, &p);

		unlink(path);
		assert_ok(sftp_put_striped(crew, &stripe, &f->err), &f->err);
		p.offset = offsets[i];
		stripe = stripe_of(&put, &p);
		assert_int_equal(truncate(path, (off_t)(offsets[i] + i)), 0);
		assert_ok(sftp_put_striped(crew, &stripe, &f->err), &f->err);
		assert_true(put.bytes == SIZE - offsets[i] && stripe.whole == SIZE);
		assert_pattern(path, 0, SIZE);
		p.offset = offsets[i];
		assert_int_equal(truncate(path, (off_t)offsets[i] - 1), 0);
		assert_error(sftp_put_striped(crew, &stripe, &f->err), &f->err, ERROR_CHECKSUM);
		assert_true(stripe.whole == offsets[i] && p.offset == offsets[i]);
	}
	sftp_crew_close(crew);
}

/* Sessions that are closed while they are opened do not stand in the way of a command. */
static void after_a_crew_commands_run(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 4; i++) {
		struct sftp_crew *crew = sftp_crew_new(suite_transport(), f->s, SFTP_CREW_MAX);
		struct exec ex = { .script = "true", .deadline = deadline_in_ms(SUITE_SFTP_DEADLINE_MS) };
		int status = -1;

		sftp_crew_hire(crew, UINT64_MAX);
		for (int j = 0; j < i; j++)
			sftp_crew_pump(crew, true);
		sftp_crew_close(crew);
		assert_ok(exec_run(suite_transport(), &ex, &status, NULL, NULL, &f->err), &f->err);
		assert_int_equal(status, 0);
	}
}

int suite_sftp_stripe_tests(const struct CMUnitTest **tests)
{
	static const struct CMUnitTest table[] = {
		FIXTURE_TEST(sizes_around_a_block_arrive_whole_over_any_crew),
		FIXTURE_TEST(every_session_takes_part),
		FIXTURE_TEST(sessions_join_while_it_is_written),
		FIXTURE_TEST(modes_are_exact_even_those_that_forbid_writing),
		FIXTURE_TEST(failures_leave_the_crew_whole),
		FIXTURE_TEST(a_file_goes_on_where_it_was_cut),
		FIXTURE_TEST(after_a_crew_commands_run),
	};

	*tests = table;
	return sizeof table / sizeof *table;
}
