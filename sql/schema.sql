-- The schema as the migrations leave it, for readers; a test compares the two.
-- (sql/views.sql has the views.)
--
-- Times are integer milliseconds UTC; NULL means not yet, none, or unknown.
-- For reading use the views v_*: they stay when these tables change.

CREATE TABLE meta (
	key   TEXT NOT NULL PRIMARY KEY,        -- database_id, created_ms, event_head
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row per job: the present.  rev grows with every update; whoever writes must have seen the
-- rev that is there.
CREATE TABLE job (
	number        INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again, not even after a delete
	job_id        TEXT NOT NULL UNIQUE,              -- UUIDv7
	name          TEXT NOT NULL,
	cluster       TEXT NOT NULL,
	request       TEXT NOT NULL CHECK (request GLOB '{*}'),
	state         TEXT NOT NULL CHECK (state IN ('PENDING', 'STAGING', 'LAUNCHING', 'QUEUED', 'RUNNING',
	                                             'SUCCEEDED', 'FAILED', 'CANCELLED', 'LOST', 'HELD')),
	reason        TEXT,                              -- a word: exit, timeout, signal, oom, launch, ...
	message       TEXT,                              -- a sentence for people
	rev           INTEGER NOT NULL CHECK (rev >= 1),
	attempt       INTEGER NOT NULL CHECK (attempt >= 0), -- the current one's n, 0: none yet
	created_ms    INTEGER NOT NULL,
	updated_ms    INTEGER NOT NULL,
	started_ms    INTEGER,                           -- of user code
	ended_ms      INTEGER,
	exit_code     INTEGER,
	signal        INTEGER,
	cancel_ms     INTEGER,                           -- a cancel was asked
	term_ms       INTEGER,                           -- TERM was sent
	not_before_ms INTEGER,                           -- no try before this
	tries         INTEGER NOT NULL CHECK (tries >= 0), -- transient failures in a row
	seen_ms       INTEGER,                           -- last look that answered for this job
	missing_ms    INTEGER,                           -- first look that found it dead without a marker
	missing_looks INTEGER NOT NULL CHECK (missing_looks >= 0),
	orphaned      INTEGER NOT NULL CHECK (orphaned IN (0, 1)),
	heartbeat     INTEGER,
	progress      TEXT,                              -- JSON of the job; no CHECK, so that no job can block its own row
	submitter     TEXT NOT NULL,
	missing_far_ms INTEGER,                          -- the cluster's clock at missing_ms
	unsure_ms     INTEGER                            -- since when looks could not judge its process; NULL: judged
) STRICT;

CREATE INDEX job_cluster_state ON job (cluster, state);
CREATE INDEX job_state ON job (state);
CREATE INDEX job_name ON job (name);
CREATE INDEX job_ended ON job (ended_ms);

CREATE TRIGGER job_is_immutable
BEFORE UPDATE OF number, job_id, request, created_ms ON job
WHEN new.number IS NOT old.number OR new.job_id IS NOT old.job_id
	OR new.request IS NOT old.request OR new.created_ms IS NOT old.created_ms
BEGIN
	SELECT RAISE(ABORT, 'number, job_id, request and created_ms of a job never change');
END;

-- INSERT OR REPLACE deletes without firing DELETE triggers, hence this and event_is_last.
CREATE TRIGGER job_is_new
BEFORE INSERT ON job
WHEN EXISTS (SELECT 1 FROM job WHERE number = new.number OR job_id = new.job_id)
BEGIN
	SELECT RAISE(ABORT, 'a job with this number or job_id exists');
END;

-- One try at running a job.  Committed before the first byte of the launch is sent.
CREATE TABLE attempt (
	job         INTEGER NOT NULL REFERENCES job (number),
	n           INTEGER NOT NULL CHECK (n >= 1),
	token       TEXT NOT NULL UNIQUE,               -- in every state file on the cluster
	launcher    TEXT NOT NULL,
	handle      TEXT,                               -- the launcher's
	node        TEXT,
	gpus        TEXT,                               -- CUDA_VISIBLE_DEVICES
	created_ms  INTEGER NOT NULL,
	launched_ms INTEGER,
	started_ms  INTEGER,
	ended_ms    INTEGER,
	outcome     TEXT CHECK (outcome IN ('ended', 'refused', 'fenced', 'lost', 'cancelled')), -- NULL: open
	exit_code   INTEGER,
	signal      INTEGER,
	detail      TEXT,
	PRIMARY KEY (job, n)
) STRICT;

CREATE TRIGGER attempt_is_immutable
BEFORE UPDATE OF job, n, token, created_ms ON attempt
WHEN new.job IS NOT old.job OR new.n IS NOT old.n
	OR new.token IS NOT old.token OR new.created_ms IS NOT old.created_ms
BEGIN
	SELECT RAISE(ABORT, 'job, n, token and created_ms of an attempt never change');
END;

-- The history, append-only.  hash is the SHA-256 of the row's fields in the order prev_hash, seq,
-- job, at_ms, name, attempt, state_from, state_to, reason, detail, actor, each as
-- decimal length, ':', bytes, ',' (NULL: '-,').  prev_hash is the hash of the row before, 64 zeros in
-- the first one.  state_to of a job's last event is its state.  The last row's seq and hash are in
-- meta, as event_head.
CREATE TABLE event (
	seq        INTEGER PRIMARY KEY AUTOINCREMENT,
	job        INTEGER NOT NULL REFERENCES job (number),
	at_ms      INTEGER NOT NULL,
	name       TEXT NOT NULL CHECK (name <> ''),
	attempt    INTEGER NOT NULL CHECK (attempt >= 0), -- 0: none
	state_from TEXT CHECK (state_from IN ('PENDING', 'STAGING', 'LAUNCHING', 'QUEUED', 'RUNNING',
	                                      'SUCCEEDED', 'FAILED', 'CANCELLED', 'LOST', 'HELD')),
	state_to   TEXT NOT NULL CHECK (state_to IN ('PENDING', 'STAGING', 'LAUNCHING', 'QUEUED', 'RUNNING',
	                                             'SUCCEEDED', 'FAILED', 'CANCELLED', 'LOST', 'HELD')),
	reason     TEXT,
	detail     TEXT CHECK (detail GLOB '{*}'),
	actor      TEXT NOT NULL,                         -- user@host:pid
	prev_hash  TEXT NOT NULL CHECK (length(prev_hash) = 64),
	hash       TEXT NOT NULL CHECK (length(hash) = 64)
) STRICT;

CREATE INDEX event_job ON event (job);

CREATE TRIGGER event_is_not_updated
BEFORE UPDATE ON event
BEGIN
	SELECT RAISE(ABORT, 'events never change');
END;

CREATE TRIGGER event_is_not_deleted
BEFORE DELETE ON event
BEGIN
	SELECT RAISE(ABORT, 'events are never deleted');
END;

CREATE TRIGGER event_is_last
BEFORE INSERT ON event
WHEN new.seq <= (SELECT max(seq) FROM event)
BEGIN
	SELECT RAISE(ABORT, 'events are only appended');
END;

-- What went over the wire: one row per batch and direction.
CREATE TABLE transfer (
	seq         INTEGER PRIMARY KEY,
	job         INTEGER NOT NULL REFERENCES job (number),
	attempt     INTEGER NOT NULL CHECK (attempt >= 0),
	direction   TEXT NOT NULL CHECK (direction IN ('up', 'down')),
	what        TEXT NOT NULL,                      -- tree, logs, ...
	files       INTEGER NOT NULL,
	bytes       INTEGER NOT NULL,
	began_ms    INTEGER NOT NULL,
	took_ms     INTEGER NOT NULL,
	verified_by TEXT,                               -- the far side's tool; NULL: not verified
	error       TEXT                                -- NULL: complete
) STRICT;

CREATE INDEX transfer_job ON transfer (job);

-- What is known of a cluster, and the lease: one kedge at a time works on it.
CREATE TABLE cluster (
	name            TEXT NOT NULL PRIMARY KEY,
	tried_ms        INTEGER,
	answered_ms     INTEGER,
	fails           INTEGER NOT NULL DEFAULT 0,     -- failed tries in a row
	last_error      TEXT,
	last_error_kind TEXT,
	skew_ms         INTEGER NOT NULL DEFAULT 0,     -- its clock minus ours
	facts           TEXT CHECK (facts GLOB '{*}'),
	lease_host      TEXT,
	lease_boot      TEXT,
	lease_pid       INTEGER,
	lease_start     INTEGER,                        -- of the process, in ticks since boot
	lease_until_ms  INTEGER,
	lease_since_ms  INTEGER,
	retry_ms        INTEGER,                        -- no login by itself before this
	failing_ms      INTEGER                         -- the first of the failed tries in a row
) STRICT;

-- Every try to log in during the last minute, by whatever kedge: the breaker counts them.
CREATE TABLE login (
	seq     INTEGER PRIMARY KEY,
	cluster TEXT NOT NULL,
	at_ms   INTEGER NOT NULL
) STRICT;

CREATE INDEX login_cluster ON login (cluster, at_ms);

-- Hashes of local files that were sent, so that a cluster can be asked for them before they are read again.
CREATE TABLE file_hash (
	dev      INTEGER NOT NULL,
	ino      INTEGER NOT NULL,
	size     INTEGER NOT NULL,
	mtime_ns INTEGER NOT NULL,
	ctime_ns INTEGER NOT NULL,              -- a file of another size or time is another file
	sha256   TEXT NOT NULL,
	seen_ms  INTEGER NOT NULL,              -- when it was hashed
	PRIMARY KEY (dev, ino)
) STRICT, WITHOUT ROWID;

CREATE INDEX file_hash_seen ON file_hash (seen_ms);
