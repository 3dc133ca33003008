-- GPU hours by cluster and submitter: GPUs asked for, times how long user code ran, over all attempts;
-- one that runs counts up to now.  Failed hours are of attempts whose exit code is not 0.
--   sqlite3 -readonly -header -column kedge.db < gpu-hours.sql

WITH run AS (
	SELECT
		job.number, job.cluster, job.submitter,
		-- 2, or 'a100:2'
		CASE json_type(job.request, '$.gpus')
		WHEN 'integer' THEN json_extract(job.request, '$.gpus')
		WHEN 'text' THEN CAST(substr(json_extract(job.request, '$.gpus'),
			instr(json_extract(job.request, '$.gpus'), ':') + 1) AS INTEGER)
		ELSE 0
		END AS gpus,
		max(0, coalesce(attempt.ended_ms, strftime('%s', 'now') * 1000) - attempt.started_ms) / 3600000.0 AS hours,
		coalesce(attempt.exit_code, 0) <> 0 OR attempt.signal IS NOT NULL AS failed
	FROM attempt JOIN job ON job.number = attempt.job
	WHERE attempt.started_ms IS NOT NULL
		AND (attempt.ended_ms IS NOT NULL OR job.state = 'RUNNING')
)
SELECT
	cluster, submitter,
	count(DISTINCT number) AS jobs,
	count(*) AS attempts,
	printf('%.1f', sum(hours)) AS hours,
	printf('%.1f', sum(hours * gpus)) AS gpu_hours,
	printf('%.1f', coalesce(sum(hours * gpus) FILTER (WHERE failed), 0)) AS failed_gpu_hours
FROM run
GROUP BY cluster, submitter
ORDER BY sum(hours * gpus) DESC, cluster, submitter;
