#include "util/clock.h"

#include <stdio.h>
#include <time.h>

enum { POLL_MS = 1000, AHEAD_MS = 3600 * 1000 };

static int64_t read_ms(clockid_t id)
{
	struct timespec ts = { 0, 0 };

	clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int64_t (*simulated)(void);

int64_t clock_wall_ms(void)
{
	return simulated ? simulated() : read_ms(CLOCK_REALTIME);
}

void clock_simulate(int64_t (*f)(void))
{
	simulated = f;
}

int64_t clock_since_ms(int64_t then_ms, int64_t now_ms)
{
	if (then_ms - now_ms > AHEAD_MS)
		return CLOCK_LONG_AGO;
	return now_ms > then_ms ? now_ms - then_ms : 0;
}

int64_t clock_boot_ms(void)
{
	return read_ms(CLOCK_BOOTTIME);
}

deadline_t deadline_in_ms(int64_t ms)
{
	int64_t now = clock_boot_ms();

	return ms > DEADLINE_NONE - now ? DEADLINE_NONE : now + ms;
}

int64_t deadline_left_ms(deadline_t d)
{
	int64_t now = clock_boot_ms();

	if (d == DEADLINE_NONE)
		return DEADLINE_NONE;
	return d > now ? d - now : 0;
}

int deadline_poll_ms(deadline_t d)
{
	int64_t left = deadline_left_ms(d);

	return left > POLL_MS ? POLL_MS : (int)left;
}

deadline_t deadline_earlier(deadline_t a, deadline_t b)
{
	return a < b ? a : b;
}

/* Whole seconds and what is above them, rounding towards the past. */
static time_t split_ms(int64_t wall_ms, int *ms)
{
	int64_t s = wall_ms / 1000;

	*ms = (int)(wall_ms % 1000);
	if (*ms < 0) {
		*ms += 1000;
		s--;
	}
	return (time_t)s;
}

void clock_rfc3339(int64_t wall_ms, char out[CLOCK_TEXT])
{
	struct tm tm;
	char day[CLOCK_TEXT - 8];
	int ms;
	time_t s = split_ms(wall_ms, &ms);

	if (!gmtime_r(&s, &tm) || !strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm))
		snprintf(out, CLOCK_TEXT, "?");
	else
		snprintf(out, CLOCK_TEXT, "%s.%03uZ", day, (unsigned int)ms % 1000);
}

void clock_local(int64_t wall_ms, char out[CLOCK_TEXT])
{
	struct tm tm;
	int ms;
	time_t s = split_ms(wall_ms, &ms);

	tzset();
	if (!localtime_r(&s, &tm) || !strftime(out, CLOCK_TEXT, "%Y-%m-%d %H:%M:%S", &tm))
		snprintf(out, CLOCK_TEXT, "?");
}

void clock_span(int64_t ms, char out[CLOCK_TEXT])
{
	long long s = ms > 0 ? ms / 1000 : 0;

	if (s < 60)
		snprintf(out, CLOCK_TEXT, "%llds", s);
	else if (s < 3600)
		snprintf(out, CLOCK_TEXT, "%lldm%02llds", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, CLOCK_TEXT, "%lldh%02lldm", s / 3600, s / 60 % 60);
	else
		snprintf(out, CLOCK_TEXT, "%lldd%02lldh", s / 86400, s / 3600 % 24);
}
