#include "transport/exec.h"

#include <stdlib.h>
#include <string.h>

#include "transport/reply.h"
#include "transport/transport.h"
#include "util/error.h"
#include "util/id.h"
#include "util/shquote.h"
#include "util/signals.h"
#include "util/strbuf.h"
#include "util/vis.h"

enum {
	READ_BYTES = 32 << 10,
	LINGER_MS = 1000,     /* after END: for the rest of stderr, which is not worth more */
	LAST_WORDS_MS = 5000, /* after a failed write: for what the far side says instead */
	WORDS = 300,          /* bytes of its words in a message */
};

struct run {
	struct channel *ch;
	struct strbuf in;
	size_t sent;
	bool in_done;
	bool eof[2];
	struct reply reply[2]; /* by enum channel_stream */
	deadline_t deadline;
	deadline_t enough; /* not later than deadline: when to conclude from what came */
	struct error write_error;
};

/*
 * One compound command, so that a shell runs nothing before it has read the last byte, which is its closing brace.
 * The script is a quoted word for eval: whatever it holds, it cannot end the compound.  It runs in a subshell:
 * `exit` and `set -e` stay inside.  The inner braces run only when their redirections succeeded; a far side that cannot
 * make a temporary file for the here-document gives a BEGIN without END.  The quotes in BEGIN and END keep the
 * marks out of an echo of this text.
 */
void exec_compose(const char *script, const char *body, const char *nonce, struct strbuf *out)
{
	size_t len = body ? strlen(body) : 0;

	strbuf_addstr(out, "{ kedge_script() { eval ");
	shquote_add(out, script);
	strbuf_addf(out, "\n}\necho 'BEGIN-ERR'' %s' >&2; echo 'BEGIN'' %s'\n", nonce, nonce);
	strbuf_addf(out, "{ ( kedge_script ); set -- $?; echo '\nEND'' %s '$1; echo '\nEND-ERR'' %s '$1 >&2\n", nonce,
		    nonce);
	if (!body) {
		strbuf_addstr(out, "} </dev/null 3</dev/null\n}");
		return;
	}
	strbuf_addf(out, "} </dev/null 3<<'%s'\n", nonce);
	strbuf_add(out, body, len);
	if (len > 0 && body[len - 1] != '\n')
		strbuf_addch(out, '\n');
	strbuf_addf(out, "%s\n}", nonce);
}

/* --- the conversation ------------------------------------------------------ */

static void hurry(struct run *run, int64_t ms)
{
	run->enough = deadline_earlier(run->enough, deadline_in_ms(ms));
}

/* A reader that has gone may have said why: the failure is kept until it is known that it did not. */
static void stop_sending(struct run *run)
{
	run->in_done = true;
	hurry(run, LAST_WORDS_MS);
}

static bool send_some(struct run *run)
{
	ssize_t n;

	if (run->in_done)
		return false;
	if (run->sent == run->in.len) {
		int rc = channel_send_eof(run->ch, &run->write_error);

		if (rc == -1)
			stop_sending(run);
		run->in_done = rc != CHANNEL_AGAIN;
		return run->in_done;
	}
	n = channel_write(run->ch, run->in.buf + run->sent, run->in.len - run->sent, &run->write_error);
	if (n == CHANNEL_AGAIN)
		return false;
	if (n < 0)
		stop_sending(run);
	else
		run->sent += (size_t)n;
	return true;
}

/* 1: something came, 0: nothing now, -1 */
static int receive_some(struct run *run, enum channel_stream stream, struct error *err)
{
	char buf[READ_BYTES];
	ssize_t n;

	if (run->eof[stream])
		return 0;
	n = channel_read(run->ch, stream, buf, sizeof buf, err);
	if (n == CHANNEL_AGAIN)
		return 0;
	if (n < 0)
		return -1;
	if (n == CHANNEL_EOF)
		run->eof[stream] = true;
	else if (reply_add(&run->reply[stream], buf, (size_t)n, err) != 0)
		return -1;
	if (stream == CHANNEL_STDOUT && (run->eof[stream] || run->reply[stream].state == REPLY_ENDED))
		hurry(run, LINGER_MS);
	return 1;
}

static bool is_complete(const struct run *run)
{
	bool out = run->eof[CHANNEL_STDOUT] || run->reply[CHANNEL_STDOUT].state == REPLY_ENDED;
	bool errout = run->eof[CHANNEL_STDERR] || run->reply[CHANNEL_STDERR].state == REPLY_ENDED;

	return out && errout;
}

/* After a turn: 0 go on, 1 that was long enough, -1.  A far side that never pauses is not waited for, only limited. */
static int rest(struct run *run, bool moved, struct error *err)
{
	bool want_write = !run->in_done;
	int rc;

	if (!moved)
		rc = channel_wait(&run->ch, &want_write, 1, run->enough, err);
	else if (signals_check(err) != 0)
		rc = -1;
	else
		rc = deadline_left_ms(run->enough) > 0 ? 0 : error_set(err, ERROR_TIMEOUT, "no answer in time");
	if (rc != 0 && err->kind == ERROR_TIMEOUT && run->enough < run->deadline)
		return 1;
	return rc;
}

/* Both streams to their ends, or as far as it is worth waiting for. */
static int converse(struct run *run, struct error *err)
{
	int rc = 0;

	while (rc == 0 && !is_complete(run)) {
		bool moved = send_some(run);

		for (int i = 0; i < 2; i++) {
			int got = receive_some(run, i, err);

			if (got < 0)
				return -1;
			moved = moved || got > 0;
		}
		if (!is_complete(run))
			rc = rest(run, moved, err);
	}
	return rc < 0 ? -1 : 0;
}

/* --- what it means ---------------------------------------------------------- */

static void await_end(struct run *run, struct channel_end *end)
{
	*end = (struct channel_end){ CHANNEL_END_UNKNOWN };
	if (!run->eof[CHANNEL_STDOUT] || !run->eof[CHANNEL_STDERR])
		return;
	while (channel_end(run->ch, end) == CHANNEL_AGAIN)
		if (channel_wait(&run->ch, NULL, 1, run->enough, NULL) != 0)
			return;
}

/* The last of what it said that was no reply, in one visible line. */
static char *last_words(const struct run *run)
{
	struct strbuf raw = STRBUF_INIT, seen = STRBUF_INIT;

	if (run->reply[CHANNEL_STDOUT].state == REPLY_NOISE)
		reply_words(&run->reply[CHANNEL_STDOUT], &raw);
	reply_words(&run->reply[CHANNEL_STDERR], &raw);
	strbuf_rtrim(&raw);
	if (raw.len > WORDS) {
		strbuf_remove(&raw, 0, raw.len - WORDS);
		strbuf_addstr(&seen, "...");
	}
	vis_add(&seen, raw.buf, raw.len);
	strbuf_release(&raw);
	return strbuf_detach(&seen, NULL);
}

/* No END, no error either: the far side closed the channel. */
static int explain_silence(struct run *run, struct error *err)
{
	struct channel_end end;
	char *words = last_words(run);
	bool began = run->reply[CHANNEL_STDOUT].state != REPLY_NOISE;

	await_end(run, &end);
	if (!began && end.how == CHANNEL_END_EXITED && *words)
		error_set(err, ERROR_REFUSED, "the far side runs no commands; it said: %s", words);
	else if (!began && end.how == CHANNEL_END_EXITED && end.status != 0)
		error_set(err, ERROR_REFUSED, "the far side runs no commands; it ended with status %d without a word",
			  end.status);
	else if (run->write_error.kind != ERROR_NONE && !*words)
		*err = run->write_error;
	else if (end.how == CHANNEL_END_SIGNALLED)
		error_set(err, ERROR_NETWORK, "the shell was killed by SIG%s%s%s", end.signal, *words ? "; it said: " : "",
			  words);
	else
		error_set(err, ERROR_NETWORK, "the reply was cut%s%s", *words ? "; it said: " : "", words);
	free(words);
	return -1;
}

static int fail(const struct run *run, const struct error *cause, struct error *err)
{
	const char *known = "whether it ran is not known";

	if (cause->kind == ERROR_REFUSED)
		return error_set(err, cause->kind, "%s", cause->text);
	if (run->sent < run->in.len)
		known = "it was not sent completely and did not run";
	else if (run->reply[CHANNEL_STDOUT].state != REPLY_NOISE)
		known = "it began, but whether it ran to its end is not known";
	return error_set(err, cause->kind, "%s; %s", cause->text, known);
}

/* Bytes that came after the last look at the END mark do not matter: a reply that ended is an answer, however the
   connection fared afterwards. */
static int talk(struct run *run, struct error *err)
{
	struct error cause = { ERROR_NONE };
	int rc = converse(run, &cause);

	if (run->reply[CHANNEL_STDOUT].state == REPLY_ENDED)
		return 0;
	if (rc == 0)
		explain_silence(run, &cause);
	return fail(run, &cause, err);
}

int exec_run(struct transport *t, const struct exec *ex, int *status, struct strbuf *out, struct strbuf *errout,
	     struct error *err)
{
	struct run run = { .in = STRBUF_INIT, .deadline = ex->deadline, .enough = ex->deadline };
	const struct reply *reply = run.reply;
	char nonce[ID_TOKEN_LEN + 1];
	int rc = -1;

	id_token(nonce);
	exec_compose(ex->script, ex->body, nonce, &run.in);
	reply_init(&run.reply[CHANNEL_STDOUT], "", nonce, ex->cap ? ex->cap : EXEC_MAX_REPLY);
	reply_init(&run.reply[CHANNEL_STDERR], "-ERR", nonce, 0);
	run.ch = channel_open(t, CHANNEL_EXEC, "exec /bin/sh", err);
	if (!run.ch || talk(&run, err) != 0)
		goto out;
	*status = reply[CHANNEL_STDOUT].status;
	if (out)
		strbuf_add(out, reply[CHANNEL_STDOUT].data.buf, reply[CHANNEL_STDOUT].data.len);
	if (errout)
		strbuf_add(errout, reply[CHANNEL_STDERR].data.buf, reply[CHANNEL_STDERR].data.len);
	rc = 0;
out:
	channel_close(run.ch);
	reply_release(&run.reply[CHANNEL_STDOUT]);
	reply_release(&run.reply[CHANNEL_STDERR]);
	strbuf_release(&run.in);
	return rc;
}
