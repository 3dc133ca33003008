-- Jobs by the day they were submitted (UTC), newest day first, with how they ended.
--   sqlite3 -readonly -header -column kedge.db < jobs-per-day.sql

SELECT
	strftime('%Y-%m-%d', created_ms / 1000, 'unixepoch') AS day,
	cluster,
	count(*) AS jobs,
	count(*) FILTER (WHERE state = 'SUCCEEDED') AS succeeded,
	count(*) FILTER (WHERE state = 'FAILED') AS failed,
	count(*) FILTER (WHERE state = 'CANCELLED') AS cancelled,
	count(*) FILTER (WHERE state = 'LOST') AS lost,
	count(*) FILTER (WHERE state NOT IN ('SUCCEEDED', 'FAILED', 'CANCELLED', 'LOST')) AS open,
	printf('%.1f', avg(started_ms - created_ms) / 60000.0) AS mean_wait_min,
	printf('%.1f', avg(ended_ms - started_ms) / 60000.0) AS mean_run_min
FROM job
GROUP BY day, cluster
ORDER BY day DESC, cluster;
