"""The statements by which processes share out exports. Pure.

Who writes an export holds an advisory lock of its session, which ends with it, however it ends: an export in state
`processing` whose lock is free was left behind, and starts again. Each attempt has a number; what an attempt stores of
itself is refused once there is a later one, or the export was cancelled.
"""

from typing import Final

from analytics_service.database.export_jobs import IS_ACTIVE, SELECTED

MAX_ATTEMPTS: Final = 10
"""Of an export, which fails then: a worker that has no memory for it would end again and again."""
MAX_CANDIDATES: Final = 50
_KEY: Final = "hashtextextended('analytics.export/' || $1::text, 0)"

TRY_LOCK: Final = f"SELECT pg_try_advisory_lock({_KEY})"
UNLOCK: Final = f"SELECT pg_advisory_unlock({_KEY})"
CANDIDATES: Final = f"""
SELECT j.id FROM export_job AS j
WHERE {IS_ACTIVE} AND j.not_before <= now()
ORDER BY (SELECT count(*) FROM export_job AS o WHERE o.org_id = j.org_id AND o.status = 'processing'), j.created_at
LIMIT {MAX_CANDIDATES}
"""
"""Of organisations in turn, the longest waiting first. Locks say which of them are free."""
CLAIM: Final = f"""
UPDATE export_job AS j SET status = 'processing', attempt = j.attempt + 1, started_at = now(), may_have_file = true,
    rows_written = 0, progress = 0, has_more = NULL, raw_since = NULL
WHERE j.id = $1 AND {IS_ACTIVE} AND j.not_before <= now() AND j.attempt < {MAX_ATTEMPTS}
RETURNING {SELECTED}
"""
"""After the lock: no row where it is no longer waiting."""
GIVE_UP: Final = f"""
UPDATE export_job AS j SET status = 'failed', finished_at = now(),
    error = coalesce(j.error,
        'it ended {MAX_ATTEMPTS} times before it was done: ask for a shorter range, or for fewer fields')
WHERE j.id = $1 AND {IS_ACTIVE} AND j.attempt >= {MAX_ATTEMPTS} RETURNING j.id
"""
_CURRENT: Final = "j.id = $1 AND j.attempt = $2 AND j.status = 'processing'"
PROGRESS: Final = f"""
UPDATE export_job AS j SET rows_written = $3, progress = $4 WHERE {_CURRENT} RETURNING j.id
"""
COMPLETE: Final = f"""
UPDATE export_job AS j SET status = 'completed', finished_at = now(), expires_at = now() + $3::interval, progress = 100,
    rows_written = $4, has_more = $5, raw_since = $6, file_bytes = $7, sha256 = $8, error = NULL
WHERE {_CURRENT} RETURNING j.id
"""
RETRY: Final = f"""
UPDATE export_job AS j SET status = 'pending', not_before = now() + $3::interval, error = $4, rows_written = 0,
    progress = 0
WHERE {_CURRENT}
"""
FAIL: Final = f"UPDATE export_job AS j SET status = 'failed', finished_at = now(), error = $3 WHERE {_CURRENT}"
HORIZON: Final = "SELECT CASE WHEN isfinite(floor) THEN floor END FROM rollup_floor"
