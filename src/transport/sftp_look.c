/*
 * Many LSTATs at once.
 */
#include <sys/types.h>

#include "transport/sftp.h"
#include "transport/sftp_codec.h"
#include "transport/sftp_copy.h"

enum { MAX_IN_FLIGHT = 256 };

struct round {
	struct sftp_look *looks;
	size_t waiting;
};

static int on_attrs(void *arg, uint64_t index, enum sftp_type type, struct sftp_reader *payload, struct error *err)
{
	struct round *r = arg;
	struct sftp_look *look = &r->looks[index];

	r->waiting--;
	if (type == SFTP_ATTRS) {
		sftp_read_attrs(payload, &look->attrs);
		look->there = ANSWER_YES;
	} else if (type == SFTP_STATUS) {
		look->there = sftp_status_error(payload, "cannot look at", look->path, NULL) == SFTP_NO_SUCH_FILE ? ANSWER_NO : ANSWER_UNKNOWN;
	} else {
		return sftp_wrong_type(type, SFTP_ATTRS, err);
	}
	return 0;
}

int sftp_lstat_all(struct sftp *s, struct sftp_look *looks, size_t n, struct error *err)
{
	struct round r = { looks, 0 };

	for (size_t next = 0; next < n || r.waiting > 0;) {
		for (; next < n && r.waiting < MAX_IN_FLIGHT; next++) {
			looks[next].there = ANSWER_UNKNOWN;
			sftp_add_cstring(sftp_begin(s, SFTP_LSTAT), looks[next].path);
			sftp_send(s, on_attrs, &r, next);
			r.waiting++;
		}
		if (sftp_pump(s, true, err) != 0)
			return -1;
	}
	return 0;
}
