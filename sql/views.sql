-- Views for people and for other programs: a column that is here stays.  Times are ISO 8601, UTC.
--   sqlite3 -readonly -header -column kedge.db 'select * from v_jobs'

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
	facts,
	strftime('%Y-%m-%dT%H:%M:%SZ', failing_ms / 1000, 'unixepoch') AS failing_since,
	strftime('%Y-%m-%dT%H:%M:%SZ', retry_ms / 1000, 'unixepoch') AS not_before
FROM cluster;
