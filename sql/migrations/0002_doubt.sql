-- What a client must remember to doubt well: the far clock beside its own, since when a process could not be judged,
-- and how often a cluster was logged in to.

ALTER TABLE job ADD COLUMN missing_far_ms INTEGER;  -- the cluster's clock at missing_ms
ALTER TABLE job ADD COLUMN unsure_ms INTEGER;       -- since when looks could not judge its process; NULL: judged

ALTER TABLE cluster ADD COLUMN retry_ms INTEGER;    -- no login by itself before this
ALTER TABLE cluster ADD COLUMN failing_ms INTEGER;  -- the first of the failed tries in a row

-- Every try to log in during the last minute, by whatever kedge: the breaker counts them.
CREATE TABLE login (
	seq     INTEGER PRIMARY KEY,
	cluster TEXT NOT NULL,
	at_ms   INTEGER NOT NULL
) STRICT;

CREATE INDEX login_cluster ON login (cluster, at_ms);

-- Since when a cluster fails, and until when it is not asked.
DROP VIEW v_clusters;
CREATE VIEW v_clusters AS
SELECT
	name,
	strftime('%Y-%m-%dT%H:%M:%SZ', answered_ms / 1000, 'unixepoch') AS answered,
	strftime('%Y-%m-%dT%H:%M:%SZ', tried_ms / 1000, 'unixepoch') AS tried,
	fails, last_error_kind, last_error, skew_ms,
	lease_host || ' pid ' || lease_pid AS lease,
	strftime('%Y-%m-%dT%H:%M:%SZ', lease_since_ms / 1000, 'unixepoch') AS lease_since,
	strftime('%Y-%m-%dT%H:%M:%SZ', lease_until_ms / 1000, 'unixepoch') AS lease_until,
	facts,
	strftime('%Y-%m-%dT%H:%M:%SZ', failing_ms / 1000, 'unixepoch') AS failing_since,
	strftime('%Y-%m-%dT%H:%M:%SZ', retry_ms / 1000, 'unixepoch') AS not_before
FROM cluster;
