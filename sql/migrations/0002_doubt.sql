-- What a client must remember to doubt well: the far clock beside its own, since when a process could not be judged,
-- and how often a cluster was logged in to.

ALTER TABLE job ADD COLUMN missing_far_ms INTEGER;  -- the cluster's clock at missing_ms
ALTER TABLE job ADD COLUMN unsure_ms INTEGER;       -- since when looks could not judge its process; NULL: judged

ALTER TABLE cluster ADD COLUMN retry_ms INTEGER;    -- no login by itself before this

-- Every try to log in during the last minute, by whatever kedge: the breaker counts them.
CREATE TABLE login (
	seq     INTEGER PRIMARY KEY,
	cluster TEXT NOT NULL,
	at_ms   INTEGER NOT NULL
) STRICT;

CREATE INDEX login_cluster ON login (cluster, at_ms);
