/*
 * One file over several sessions against servers that refuse, fail, die or dawdle.  What
 * good servers do is tested in tests/conformance.
 */
#include "testing.h"

#include <sys/mman.h>

#include "scripted.h"
#include "transport/sftp.h"
#include "transport/sftp_copy.h"
#include "transport/sftp_crew.h"
#include "transport/sftp_stripe.h"
#include "util/clock.h"
#include "util/error.h"

enum {
	LONG_MS = 60000,
	MiB = 1 << 20,
	SIZE = 3 * MiB + 1234,
	SESSIONS = 4,
	MANY = 1000,
};

/* --- the far side --------------------------------------------------------- */

/* What one session does at one of its requests of a type, counted from 1. */
struct trouble {
	size_t session;
	enum sftp_type type;
	size_t nth;
	/* d(enied), f(ailure), n(o such file), x: it dies, s(hort answer), w(rong type), h: it never answers again */
	char how;
};

/* Seen by every server and by the test. */
static struct far {
	unsigned char data[64 * MiB];
	uint64_t size;           /* of the file that is there */
	uint64_t begins;         /* here, not at 0 */
	uint64_t furthest;       /* a write has reached */
	size_t made, opened, cut, closed, synced, moded, writes[SFTP_CREW_MAX + 1];
	bool exists, order_is_wrong;
	uint32_t mode;
} *far;

static struct trouble trouble;
static const char *const *extensions;
static const char *const fsync_extension[] = { "fsync@openssh.com", "1", NULL };

static unsigned char byte_at(uint64_t offset)
{
	return (unsigned char)((offset * 2654435761u) >> 11);
}

static bool strikes(enum sftp_type type)
{
	static size_t n;

	return trouble.session == scripted_number() && trouble.type == type && ++n == trouble.nth;
}

static void answer_open(int fd, struct scripted_request *rq)
{
	size_t len;
	uint32_t flags;
	struct sftp_attrs attrs;

	sftp_read_string(&rq->payload, &len);
	flags = sftp_read_u32(&rq->payload);
	sftp_read_attrs(&rq->payload, &attrs);
	if (flags & SFTP_CREATE) {
		scripted_need(flags == (SFTP_FOR_WRITE | SFTP_CREATE | SFTP_EXCLUSIVE) && !far->exists);
		scripted_need(scripted_number() == 1 && (attrs.mode & 0200));
		far->exists = true;
		__atomic_add_fetch(&far->made, 1, __ATOMIC_SEQ_CST);
	} else {
		scripted_need(flags == SFTP_FOR_WRITE && far->exists);
		scripted_need(!far->moded || scripted_number() == 1 || (far->mode & 0200));
		__atomic_add_fetch(&far->opened, 1, __ATOMIC_SEQ_CST);
	}
	scripted_handle(fd, rq->id, "h");
}

static void answer_write(int fd, struct scripted_request *rq)
{
	size_t len;
	uint64_t offset;
	const void *p;

	sftp_read_string(&rq->payload, &len);
	offset = sftp_read_u64(&rq->payload);
	p = sftp_read_string(&rq->payload, &len);
	scripted_need(!rq->payload.broken && offset + len <= sizeof far->data);
	scripted_need(len <= 32768 && (offset % 4096 == 0 || offset == far->begins));
	memcpy(far->data + offset, p, len);
	far->writes[scripted_number()]++;
	if (offset + len > far->furthest)
		far->furthest = offset + len; /* a race, but only tests with one writer look at it */
	scripted_status(fd, rq->id, SFTP_OK, "");
}

static void answer_set(int fd, struct scripted_request *rq)
{
	struct sftp_attrs attrs;
	size_t len;

	sftp_read_string(&rq->payload, &len);
	sftp_read_attrs(&rq->payload, &attrs);
	if (attrs.has_size) {
		far->order_is_wrong = far->order_is_wrong || far->opened > 1 || far->furthest;
		far->size = attrs.size;
		far->cut++;
	} else {
		far->mode = attrs.mode;
		far->moded++;
	}
	scripted_status(fd, rq->id, SFTP_OK, "");
}

static void answer_size(int fd, struct scripted_request *rq)
{
	struct strbuf *sb = scripted_begin(SFTP_ATTRS, rq->id);

	sftp_add_u32(sb, 1);
	sftp_add_u64(sb, far->size);
	scripted_end(fd);
}

static void answer_close(int fd, struct scripted_request *rq)
{
	__atomic_add_fetch(&far->closed, 1, __ATOMIC_SEQ_CST);
	scripted_status(fd, rq->id, SFTP_OK, "");
}

static void answer_fsync(int fd, struct scripted_request *rq)
{
	__atomic_add_fetch(&far->synced, 1, __ATOMIC_SEQ_CST);
	scripted_status(fd, rq->id, SFTP_OK, "");
}

static void (*const answers[])(int fd, struct scripted_request *rq) = {
	[SFTP_OPEN] = answer_open, [SFTP_WRITE] = answer_write, [SFTP_FSETSTAT] = answer_set,
	[SFTP_FSTAT] = answer_size, [SFTP_CLOSE] = answer_close, [SFTP_EXTENDED] = answer_fsync,
};

static void answer(int fd, struct scripted_request *rq)
{
	if (answers[rq->type])
		answers[rq->type](fd, rq);
	else /* what explains a FAILURE */
		scripted_status(fd, rq->id, SFTP_NO_SUCH_FILE, "");
}

static void make_trouble(int fd, uint32_t id)
{
	static const uint32_t codes[] = {
		['d'] = SFTP_PERMISSION_DENIED, ['f'] = SFTP_FAILURE, ['n'] = SFTP_NO_SUCH_FILE,
	};

	if (trouble.how == 'x')
		_exit(0);
	while (trouble.how == 'h')
		scripted_next(fd);
	if (trouble.how == 'w') {
		scripted_handle(fd, id, "h");
	} else if (trouble.how == 's') {
		scripted_begin(SFTP_STATUS, id);
		scripted_end(fd);
	} else {
		scripted_status(fd, id, codes[(unsigned char)trouble.how], "");
	}
}

static void serves(int fd, int errfd)
{
	(void)errfd;
	scripted_greet(fd, extensions);
	for (;;) {
		struct scripted_request rq = scripted_next(fd);

		if (strikes(rq.type))
			make_trouble(fd, rq.id);
		else
			answer(fd, &rq);
	}
}

/* --- the near side -------------------------------------------------------- */

static struct transport *far_side;
static struct sftp *first;
static struct sftp_crew *crew;
static struct error err;

struct source {
	uint64_t offset, size, fail_at;
};

static ssize_t next_bytes(void *arg, void *buf, size_t n, struct error *e)
{
	struct source *src = arg;
	unsigned char *c = buf;

	if (src->fail_at && src->offset >= src->fail_at)
		return error_set(e, ERROR_SPEC, "changed since submit");
	if (n > src->size - src->offset)
		n = (size_t)(src->size - src->offset);
	for (size_t i = 0; i < n; i++)
		c[i] = byte_at(src->offset++);
	return (ssize_t)n;
}

static struct source source;
static struct sftp_put put;
static struct sftp_stripe stripe;

/* A file to be sent. */
static void lay_out(uint64_t size, uint64_t offset)
{
	memset(far->data, 0, size < sizeof far->data ? size : sizeof far->data);
	memset((char *)far + sizeof far->data, 0, sizeof *far - sizeof far->data);
	source = (struct source){ .size = size, .offset = offset };
	put = (struct sftp_put){ .path = "/f", .mode = 0600, .read = next_bytes, .arg = &source };
	stripe = (struct sftp_stripe){ .put = &put, .size = size, .offset = offset };
	error_clear(&err);
}

/* A crew of so many, all of them up unless they are refused from one on. */
static void begin(size_t most, size_t refuse_from)
{
	struct sftp *up[SFTP_CREW_MAX];

	far_side = scripted_open(serves);
	scripted_refuse_from(far_side, refuse_from);
	first = sftp_open(far_side, deadline_in_ms(LONG_MS), &err);
	if (!first)
		fail_msg("%s", err.text);
	crew = sftp_crew_new(far_side, first, most);
	sftp_crew_hire(crew, SIZE);
	while (sftp_crew_up(crew, up) < (refuse_from ? refuse_from - 1 : most))
		sftp_crew_pump(crew, true);
	lay_out(SIZE, 0);
}

static bool end(void)
{
	sftp_crew_close(crew);
	sftp_close(first);
	trouble.session = 0;
	extensions = NULL;
	return scripted_close(far_side);
}

static void assert_whole(void)
{
	assert_true(put.bytes == source.size - stripe.offset);
	assert_true(stripe.whole == source.size);
	for (uint64_t i = stripe.offset; i < source.size; i++)
		if (far->data[i] != byte_at(i))
			fail_msg("differs at %llu", (unsigned long long)i);
}

static void assert_put(void)
{
	if (sftp_put_striped(crew, &stripe, &err) != 0)
		fail_msg("%s", err.text);
	assert_whole();
	assert_int_equal(sftp_in_flight(first), 0);
}

static void assert_fails(enum error_kind kind, const char *words)
{
	assert_int_equal(sftp_put_striped(crew, &stripe, &err), -1);
	if (err.kind != kind || !strstr(err.text, words))
		fail_msg("%s: %s", error_kind_name(err.kind), err.text);
}

static void make_ready(struct trouble t)
{
	trouble = t;
	begin(SESSIONS, 0);
}

/* --- all goes well -------------------------------------------------------- */

static void every_session_writes_its_part(void **state)
{
	(void)state;
	begin(SESSIONS, 0);
	assert_put();
	assert_int_equal(far->made, 1);
	assert_int_equal(far->opened, SESSIONS - 1);
	assert_int_equal(far->closed, SESSIONS);
	assert_int_equal(far->synced + far->moded, 0);
	assert_true(stripe.sessions >= 1 && stripe.sessions <= SESSIONS);
	assert_true(end());
}

static void any_size_and_the_next_file_too(void **state)
{
	static const uint64_t sizes[] = { 0, 1, 4096, 32767, 32768, 32769, 65536, 16 * MiB + 1 };

	(void)state;
	begin(2, 0);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		lay_out(sizes[i], 0);
		assert_put();
	}
	assert_true(end());
}

static void each_syncs_what_it_wrote(void **state)
{
	(void)state;
	extensions = fsync_extension;
	begin(SESSIONS, 0);
	put.fsync = true;
	assert_put();
	assert_int_equal(far->synced, stripe.sessions);
	assert_true(end());
}

static void the_mode_is_set_where_a_umask_could_take(void **state)
{
	(void)state;
	begin(SESSIONS, 0);
	put.mode = 0644;
	assert_put();
	assert_true(far->moded == 1 && far->mode == 0644);
	assert_true(end());
}

/* The script fails an OPEN that comes after it. */
static void a_mode_that_forbids_writing_comes_last(void **state)
{
	(void)state;
	begin(SESSIONS, 0);
	for (int i = 0; i < 10; i++) {
		lay_out(MiB, 0);
		put.mode = 0444;
		assert_put();
		assert_true(far->moded == 1 && far->mode == 0444);
	}
	assert_true(end());
}

static void a_far_server_window_is_never_outrun(void **state)
{
	(void)state;
	trouble = (struct trouble){ 1, SFTP_WRITE, 1, 'h' };
	begin(1, 0);
	lay_out(60 * MiB, 0);
	sftp_set_deadline(first, deadline_in_ms(500));
	assert_fails(ERROR_TIMEOUT, "cannot write '/f': the sftp server did not answer in time");
	assert_true(source.offset <= 4 * MiB);
	end();
}

static uint64_t reported;

static void extend(void *arg, uint64_t n)
{
	reported += n;
	sftp_set_deadline(first, *(deadline_t *)arg);
}

static void progress_sets_the_deadline_of_all(void **state)
{
	deadline_t later = deadline_in_ms(2 * LONG_MS);
	struct sftp_progress progress = { extend, &later };
	struct sftp *up[SFTP_CREW_MAX];
	size_t n;

	(void)state;
	begin(SESSIONS, 0);
	stripe.progress = &progress;
	reported = 0;
	assert_put();
	assert_true(reported == SIZE);
	n = sftp_crew_up(crew, up);
	assert_int_equal(n, SESSIONS);
	for (size_t i = 0; i < n; i++)
		assert_true(sftp_deadline(up[i]) == later);
	assert_true(end());
}

/* --- fewer sessions ------------------------------------------------------- */

static void those_that_are_refused_are_no_failure_and_not_asked_for_again(void **state)
{
	(void)state;
	for (size_t from = 2; from <= SESSIONS; from++) {
		begin(SESSIONS, from);
		assert_put();
		assert_int_equal(far->opened, from - 2);
		assert_int_equal(scripted_channels(far_side), SESSIONS);
		lay_out(MiB, 0);
		assert_put();
		assert_int_equal(scripted_channels(far_side), SESSIONS);
		end();
	}
}

static void one_that_may_not_open_the_file_is_left_out(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++) {
		make_ready((struct trouble){ 2, SFTP_OPEN, 1, "df"[i] });
		assert_put();
		assert_int_equal(far->writes[2], 0);
		assert_int_equal(far->closed, SESSIONS - 1);
		assert_true(end());
	}
}

/* --- failures ------------------------------------------------------------- */

/* Something fails in session k, which lives on: it is told, the others come to rest, the crew works on. */
static void what_a_session_is_refused_fails_the_put_and_nothing_else(void **state)
{
	static const struct {
		enum sftp_type type;
		char how;
		enum error_kind kind;
		const char *words;
	} rows[] = {
		{ SFTP_WRITE, 'd', ERROR_DENIED, "cannot write '/f': permission denied" },
		{ SFTP_WRITE, 'f', ERROR_REFUSED, "cannot write '/f': the server gives no reason (a quota, or a limit" },
		{ SFTP_CLOSE, 'd', ERROR_DENIED, "cannot close '/f': permission denied" },
		{ SFTP_EXTENDED, 'd', ERROR_DENIED, "cannot sync '/f': permission denied" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		extensions = fsync_extension;
		make_ready((struct trouble){ 1, rows[i].type, 1, rows[i].how });
		put.fsync = true;
		assert_fails(rows[i].kind, rows[i].words);
		assert_int_equal(sftp_in_flight(first), 0);
		assert_true(stripe.whole <= SIZE && put.bytes <= SIZE);
		lay_out(MiB, 0);
		assert_put();
		assert_true(end());
	}
}

/* A session that joined; it gets blocks only when it is quick, which is seen in what it was told. */
static void trouble_of_a_further_session_fails_the_put_and_the_next_one_does_without(void **state)
{
	static const struct { char how; enum error_kind kind; const char *words; } rows[] = {
		{ 'd', ERROR_DENIED, "cannot write '/f': permission denied" },
		{ 'x', ERROR_NETWORK, "cannot write '/f': the sftp server went away" },
		{ 's', ERROR_PROTOCOL, "ends before its fields do" },
		{ 'w', ERROR_PROTOCOL, "a packet of type 102 instead of 101" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++)
		for (size_t nth = 1; nth < 20; nth += 9) {
			int tries = 0, rc;

			make_ready((struct trouble){ 3, SFTP_WRITE, nth, rows[i].how });
			do {
				lay_out(32 * MiB, 0);
				rc = sftp_put_striped(crew, &stripe, &err);
			} while (rc == 0 && ++tries < MANY);
			if (rc != -1 || err.kind != rows[i].kind || !strstr(err.text, rows[i].words))
				fail_msg("%s: %s", error_kind_name(err.kind), err.text);
			assert_int_equal(sftp_in_flight(first), 0);
			lay_out(MiB, 0);
			assert_put();
			end();
		}
}

static void the_first_session_dies(void **state)
{
	(void)state;
	make_ready((struct trouble){ 1, SFTP_WRITE, 2, 'x' });
	assert_fails(ERROR_NETWORK, "cannot write '/f': the sftp server went away");
	lay_out(MiB, 0);
	assert_fails(ERROR_NETWORK, "the sftp server went away");
	assert_true(end());
}

static void the_first_may_not_create_it(void **state)
{
	(void)state;
	make_ready((struct trouble){ 1, SFTP_OPEN, 1, 'n' });
	assert_fails(ERROR_NOT_FOUND, "cannot create '/f': no such file");
	assert_int_equal(far->opened, 0);
	assert_int_equal(source.offset, 0);
	lay_out(MiB, 0);
	assert_put();
	assert_true(end());
}

/* What is not acknowledged at the beginning of the file holds the rest back. */
static void one_that_dawdles_holds_the_others_within_the_spread(void **state)
{
	(void)state;
	make_ready((struct trouble){ 1, SFTP_WRITE, 1, 'h' });
	lay_out(60 * MiB, 0);
	sftp_set_deadline(first, deadline_in_ms(2000));
	assert_fails(ERROR_TIMEOUT, "cannot write '/f': the sftp server did not answer in time");
	assert_int_equal(stripe.whole, 0);
	assert_true(source.offset <= SFTP_STRIPE_SPREAD);
	end();
}

static void a_source_that_fails_is_told(void **state)
{
	(void)state;
	begin(SESSIONS, 0);
	source.fail_at = MiB;
	assert_fails(ERROR_SPEC, "changed since submit");
	assert_true(stripe.whole == put.bytes); /* all that was handed out was awaited */
	assert_int_equal(sftp_in_flight(first), 0);
	assert_true(far->closed == far->made + far->opened);
	assert_true(end());
}

/* --- go on with a file ---------------------------------------------------- */

static void goes_on(uint64_t there, uint64_t offset)
{
	lay_out(SIZE, offset);
	far->exists = true;
	far->size = there;
	far->begins = offset;
}

static void a_file_that_is_there_goes_on(void **state)
{
	static const uint64_t offsets[] = { 1, 4096, 100000, 2 * MiB, SIZE };

	(void)state;
	begin(SESSIONS, 0);
	for (size_t i = 0; i < COUNT(offsets); i++)
		for (uint64_t more = 0; more < 2; more++) {
			goes_on(offsets[i] + more, offsets[i]);
			assert_put();
			assert_true(far->cut == more && far->made == 0 && !far->order_is_wrong);
		}
	assert_true(end());
}

static void one_that_is_shorter_or_gone_does_not(void **state)
{
	(void)state;
	trouble = (struct trouble){ 1, SFTP_OPEN, 2, 'n' };
	begin(SESSIONS, 0);
	goes_on(4095, 4096);
	assert_fails(ERROR_CHECKSUM, "cannot go on with '/f': it has fewer than the 4096 bytes that were there");
	assert_true(far->cut == 0 && source.offset == 4096 && far->closed == 1);
	goes_on(4096, 4096);
	assert_fails(ERROR_NOT_FOUND, "cannot open '/f': no such file");
	assert_true(end());
}

static int share(void **state)
{
	(void)state;
	far = mmap(NULL, sizeof *far, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return far == MAP_FAILED ? -1 : 0;
}

static int unshare_it(void **state)
{
	(void)state;
	return munmap(far, sizeof *far);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_session_writes_its_part),
		cmocka_unit_test(any_size_and_the_next_file_too),
		cmocka_unit_test(each_syncs_what_it_wrote),
		cmocka_unit_test(the_mode_is_set_where_a_umask_could_take),
		cmocka_unit_test(a_mode_that_forbids_writing_comes_last),
		cmocka_unit_test(a_far_server_window_is_never_outrun),
		cmocka_unit_test(progress_sets_the_deadline_of_all),
		cmocka_unit_test(those_that_are_refused_are_no_failure_and_not_asked_for_again),
		cmocka_unit_test(one_that_may_not_open_the_file_is_left_out),
		cmocka_unit_test(what_a_session_is_refused_fails_the_put_and_nothing_else),
		cmocka_unit_test(trouble_of_a_further_session_fails_the_put_and_the_next_one_does_without),
		cmocka_unit_test(the_first_session_dies),
		cmocka_unit_test(the_first_may_not_create_it),
		cmocka_unit_test(one_that_dawdles_holds_the_others_within_the_spread),
		cmocka_unit_test(a_source_that_fails_is_told),
		cmocka_unit_test(a_file_that_is_there_goes_on),
		cmocka_unit_test(one_that_is_shorter_or_gone_does_not),
	};

	return cmocka_run_group_tests_name("sftp_stripe", tests, share, unshare_it);
}
