/*
 * sftp_crew - further SFTP sessions beside one, over the same connection, for a file that is
 * striped over them (sftp_stripe.h).
 *
 * OpenSSH's server grants each channel a window of 2 MiB, which comes back a round trip
 * later: one session moves 2 MiB per round trip and eight move sixteen.  On a short line
 * one does all that the cipher can, and a crew stays at one.
 *
 * They are opened without waiting, while those that are up work.  An opening that is refused is no
 * failure: sshd counts sessions (MaxSessions, 10 by default, commands included), and the crew goes on with
 * those it has and asks no more.  For the same reason close a crew before commands are run.
 */
#ifndef TRANSPORT_SFTP_CREW_H
#define TRANSPORT_SFTP_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sftp;
struct sftp_crew;
struct transport;

/* Eight and a little of everything else are within MaxSessions 10, sshd's default. */
enum { SFTP_CREW_MAX = 8 };

/* `first` is a session of t that is up; it stays yours and must outlive the crew.  At most `most` sessions, that one
   included; 0: as many as help at the round trip that t measured. */
struct sftp_crew *sftp_crew_new(struct transport *t, struct sftp *first, size_t most);
/* Closes all but the first.  NULL is fine. */
void sftp_crew_close(struct sftp_crew *c);

/* How many sessions help to send so many bytes: those that come up before the end. */
size_t sftp_crew_worth(int64_t round_trip_ms, uint64_t bytes);

/* Forget those that broke, and begin to open as many more as help with so many bytes.  Returns at once.  Each costs a
   round trip after the one before: who knows early that much will be sent hires early, and pumps without blocking while
   there is something else to do. */
void sftp_crew_hire(struct sftp_crew *c, uint64_t bytes);

struct sftp *sftp_crew_first(const struct sftp_crew *c);
/* Those that are up and whole, the first first unless it broke; returns how many. */
size_t sftp_crew_up(const struct sftp_crew *c, struct sftp *up[SFTP_CREW_MAX]);

/* sftp_pump_all for everybody, those that are being opened included: with the deadline of the first for all, and each
   time with another one's turn first.  Forgets those that are refused. */
void sftp_crew_pump(struct sftp_crew *c, bool block);

#endif
