-- The first schema.  Times are integer milliseconds UTC; NULL means not yet, none, or unknown.

CREATE TABLE meta (
	key   TEXT NOT NULL PRIMARY KEY,        -- database_id, created_ms
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
	submitter     TEXT NOT NULL
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
-- the first one.  state_to of a job's last event is its state.
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
	lease_since_ms  INTEGER
) STRICT;

CREATE VIEW v_jobs AS
SELECT
	number, name, cluster, state, reason, nullif(attempt, 0) AS attempt,
	CASE WHEN signal IS NULL THEN exit_code ELSE 'signal ' || signal END AS exit,
	strftime('%Y-%m-%dT%H:%M:%SZ', created_ms / 1000, 'unixepoch') AS created,
	strftime('%Y-%m-%dT%H:%M:%SZ', started_ms / 1000, 'unixepoch') AS started,
	strftime('%Y-%m-%dT%H:%M:%SZ', ended_ms / 1000, 'unixepoch') AS ended,
	CASE
	WHEN seconds IS NULL THEN NULL
	WHEN seconds < 60 THEN printf('%ds', seconds)
	WHEN seconds < 3600 THEN printf('%dm%02ds', seconds / 60, seconds % 60)
	WHEN seconds < 86400 THEN printf('%dh%02dm', seconds / 3600, seconds / 60 % 60)
	ELSE printf('%dd%02dh', seconds / 86400, seconds / 3600 % 24)
	END AS duration,
	message, job_id, submitter
FROM (
	SELECT *, max(0, CASE
		WHEN ended_ms IS NOT NULL THEN (ended_ms - started_ms) / 1000
		WHEN state = 'RUNNING' THEN strftime('%s', 'now') - started_ms / 1000
		END) AS seconds
	FROM job
);

CREATE VIEW v_events AS
SELECT
	seq, job,
	strftime('%Y-%m-%dT%H:%M:%S', at_ms / 1000, 'unixepoch') || printf('.%03dZ', at_ms % 1000) AS at,
	name, nullif(attempt, 0) AS attempt, state_from, state_to, reason, detail, actor, hash
FROM event;

CREATE VIEW v_attempts AS
SELECT
	job, n, launcher, handle, node, gpus, outcome,
	CASE WHEN signal IS NULL THEN exit_code ELSE 'signal ' || signal END AS exit,
	strftime('%Y-%m-%dT%H:%M:%SZ', created_ms / 1000, 'unixepoch') AS created,
	strftime('%Y-%m-%dT%H:%M:%SZ', launched_ms / 1000, 'unixepoch') AS launched,
	strftime('%Y-%m-%dT%H:%M:%SZ', started_ms / 1000, 'unixepoch') AS started,
	strftime('%Y-%m-%dT%H:%M:%SZ', ended_ms / 1000, 'unixepoch') AS ended,
	detail, token
FROM attempt;

CREATE VIEW v_transfers AS
SELECT
	job, nullif(attempt, 0) AS attempt, direction, what, files, bytes,
	printf('%.1f', bytes / 1048576.0) AS mib,
	strftime('%Y-%m-%dT%H:%M:%SZ', began_ms / 1000, 'unixepoch') AS began,
	printf('%.1f', took_ms / 1000.0) AS seconds,
	verified_by, error
FROM transfer;

CREATE VIEW v_clusters AS
SELECT
	name,
	strftime('%Y-%m-%dT%H:%M:%SZ', answered_ms / 1000, 'unixepoch') AS answered,
	strftime('%Y-%m-%dT%H:%M:%SZ', tried_ms / 1000, 'unixepoch') AS tried,
	fails, last_error_kind, last_error, skew_ms,
	lease_host || ' pid ' || lease_pid AS lease,
	strftime('%Y-%m-%dT%H:%M:%SZ', lease_since_ms / 1000, 'unixepoch') AS lease_since,
	strftime('%Y-%m-%dT%H:%M:%SZ', lease_until_ms / 1000, 'unixepoch') AS lease_until,
	facts
FROM cluster;

INSERT INTO meta (key, value) VALUES
	('database_id', lower(hex(randomblob(16)))),
	('created_ms', CAST(strftime('%s', 'now') * 1000 AS TEXT));
