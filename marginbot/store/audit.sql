-- The audit's questions. Each is asked with `states` in front of it; a row of an answer is a hole.
-- Times inside JSON documents may lack fractions, so ages are compared in days of julianday, not as text.

-- name: states
WITH states AS (
    SELECT s.account_id, s.subject, a.exchange, a.user_id, a.refused,
        json_extract(s.state, '$.grade') AS grade,
        coalesce(json_extract(s.state, '$.afresh'), json_extract(s.state, '$.grade')) AS pace,  -- of reminders
        json_extract(s.state, '$.announced') AS announced,
        json_extract(s.state, '$.episode') AS episode,
        json_extract(s.state, '$.number') AS number,
        julianday(json_extract(s.state, '$.seen_at')) AS seen_at,
        julianday(json_extract(s.state, '$.blind_since')) AS blind_since,
        -- SQLite rounds fractions of a second, escalation cuts them off
        CAST(strftime('%s', substr(json_extract(s.state, '$.blind_since'), 1, 19)) AS INTEGER) AS blind_second,
        CASE json_type(s.state, '$.cushion') WHEN 'text' THEN 1e9
            ELSE json_extract(s.state, '$.cushion') END AS cushion,  -- infinity is stored as a word
        json_extract(s.mute, '$.grade') AS mute_grade,
        julianday(json_extract(s.mute, '$.until')) AS mute_until,
        -- seconds between reminders, where the owner chose them
        json_extract(p.reminders, '$.CRITICAL') AS every3,
        json_extract(p.reminders, '$.EMERGENCY') AS every4
    FROM alert_states s JOIN accounts a ON a.id = s.account_id JOIN people p ON p.user_id = a.user_id
)

-- name: untold
-- A message that gave way to a newer one is no message of the state it belongs to: that state has the newer one.
SELECT s.account_id, s.exchange, s.subject, 'episode ' || s.episode || ', message ' || s.number AS detail
FROM states s
WHERE s.subject <> '' AND max(coalesce(s.announced, 0), s.grade) >= :warning AND s.grade > 0
AND NOT EXISTS (
    SELECT 1 FROM notices n
    WHERE n.account_id = s.account_id AND n.subject = s.subject AND n.episode = s.episode
    AND n.number = s.number AND n.user_id = s.user_id AND coalesce(n.drop_reason, '') <> 'overtaken'
)

-- name: overdue
, waiting AS (
    SELECT n.*, a.exchange, CASE
        WHEN json_extract(n.facts, '$.cause') IS NOT NULL
        THEN max(coalesce(json_extract(n.facts, '$.grade'), 0), :warning)
        ELSE coalesce(json_extract(n.facts, '$.grade'), 0) END AS grade
    FROM notices n JOIN accounts a ON a.id = n.account_id WHERE n.status = 'pending'
)
SELECT n.account_id, n.exchange, n.subject,
    'notice ' || n.id || ', ' || CAST(round((julianday(:now) - julianday(n.created_at)) * 86400) AS INTEGER)
        || ' s old' AS detail,
    EXISTS (
        SELECT 1 FROM notices f WHERE f.chat_id = n.chat_id AND f.status = 'pending'
        AND f.last_error LIKE 'RetryAfter%' AND f.next_attempt_at > :now
    ) AS flood
FROM waiting n
WHERE max(n.created_at, coalesce(n.held_until, '')) < CASE n.grade WHEN 0 THEN :late0 WHEN 1 THEN :late1 WHEN 2 THEN :late2 WHEN 3 THEN :late3
    WHEN 4 THEN :late4 ELSE :late5 END
ORDER BY n.id

-- name: unreminded
-- The last word counts: a message of the pool, or one of the account while that cannot be read; or the end of a quiet.
, words AS (
    SELECT s.*, w.blind_since IS NOT NULL OR s.blind_since IS NOT NULL AS is_blind,
        (w.mute_until > julianday(:now) AND w.mute_grade >= coalesce(w.grade, 0) AND w.blind_since IS NOT NULL)
            OR (s.mute_until > julianday(:now) AND s.mute_grade >= s.grade) AS is_quiet,
        max(
            coalesce((SELECT max(julianday(n.created_at)) FROM notices n
                WHERE n.account_id = s.account_id AND n.subject IN ('', s.subject)), 0),
            coalesce(CASE WHEN s.mute_until <= julianday(:now) THEN s.mute_until END, 0),
            coalesce(CASE WHEN w.mute_until <= julianday(:now) THEN w.mute_until END, 0)
        ) AS last_word
    FROM states s LEFT JOIN states w ON w.account_id = s.account_id AND w.subject = ''
    WHERE s.subject <> '' AND s.refused IS NULL
    AND (s.pace >= :critical OR s.grade >= :critical AND coalesce(w.blind_since, s.blind_since) IS NOT NULL)
)
SELECT account_id, exchange, subject,
    'last word ' || CAST((julianday(:now) - last_word) * 1440 AS INTEGER) || ' min ago' AS detail
FROM words WHERE last_word > 0 AND NOT coalesce(is_quiet, 0) AND (julianday(:now) - last_word) * 86400 > CASE
    WHEN is_blind THEN :blind_limit WHEN pace = 3 THEN coalesce(max(2 * every3, every3 + :patience), :limit3)
    WHEN pace = 4 THEN coalesce(max(2 * every4, every4 + :patience), :limit4)
    ELSE coalesce(max(2 * every4, every4 + :patience), :limit5) END
UNION ALL
SELECT s.account_id, s.exchange, '', 'blind, last word ' ||
    CAST((julianday(:now) - max(julianday(n.created_at))) * 1440 AS INTEGER) || ' min ago'
FROM states s JOIN notices n ON n.account_id = s.account_id AND n.subject = ''
WHERE s.subject = '' AND s.blind_since IS NOT NULL AND s.refused IS NULL AND coalesce(s.grade, 0) < :critical
AND coalesce(s.mute_until, 0) + :calm_limit / 86400.0 < julianday(:now)
GROUP BY s.account_id HAVING (julianday(:now) - max(julianday(n.created_at))) * 86400 > :calm_limit

-- name: unrung
-- A ladder is exhausted when each channel that is on for the alarm's grade has a step in the episode that was rung, or
-- given up for a recorded reason. Until then every CRITICAL that nobody acknowledged waits for a step that is not late.
-- Blindness after danger is an alarm as well: CRITICAL at least, its episode the second it began.
, alarms AS (
    SELECT s.*, s.subject AS about, s.grade AS alarm, s.episode AS alarm_episode,
        (SELECT min(julianday(n.created_at)) FROM notices n WHERE n.account_id = s.account_id
            AND n.subject = s.subject AND n.episode = s.episode AND n.number > 0
            AND coalesce(json_extract(n.facts, '$.grade'), 0) >= :critical) AS told_at
    FROM states s WHERE s.subject <> '' AND s.blind_since IS NULL AND s.grade >= :critical AND s.announced IS NOT NULL
    UNION ALL
    SELECT s.*, s.subject, max(s.grade, :critical), s.blind_second,
        (SELECT min(julianday(n.created_at)) FROM notices n WHERE n.account_id = s.account_id
            AND n.subject = s.subject AND n.number > 0
            AND json_extract(n.facts, '$.reason') IN ('went_blind', 'still_blind', 'key_refused')
            AND julianday(n.created_at) >= s.blind_since - 1e-8)
    FROM states s WHERE s.blind_since IS NOT NULL AND s.grade >= :warning
), rungs AS (
    SELECT a.*, c.id AS channel_id, c.delay_seconds,
        -- The clock starts when it was told, and anew when a quiet ended or a step was stopped.
        max(
            a.told_at, julianday(c.created_at),
            coalesce(CASE WHEN a.mute_until <= julianday(:now) THEN a.mute_until END, 0),
            coalesce((SELECT max(julianday(e.closed_at)) FROM escalation_steps e WHERE e.channel_id = c.id
                AND e.account_id = a.account_id AND e.subject = a.about AND e.episode = a.alarm_episode
                AND e.status = 'stopped'), 0)
        ) AS since
    FROM alarms a JOIN channels c ON c.user_id = a.user_id
    WHERE c.disabled_at IS NULL AND c.from_grade <= a.alarm AND a.told_at IS NOT NULL
    AND NOT coalesce(a.mute_until > julianday(:now) AND a.mute_grade >= a.grade, 0)
)
SELECT r.account_id, r.exchange, r.about AS subject,
    'channel ' || r.channel_id || ', alarm ' || CAST((julianday(:now) - r.since) * 1440 AS INTEGER) || ' min old' AS detail
FROM rungs r
WHERE (julianday(:now) - r.since) * 86400 > r.delay_seconds + :rung_within AND NOT EXISTS (
    SELECT 1 FROM escalation_steps e WHERE e.channel_id = r.channel_id AND e.account_id = r.account_id
    AND e.subject = r.about AND e.episode = r.alarm_episode AND (
        e.status IN ('accepted', 'failed')
        OR (e.status = 'ringing' AND (julianday(:now) - julianday(e.attempted_at)) * 86400 <= :rung_within)
        OR (e.status = 'waiting' AND (julianday(:now) - julianday(e.due_at)) * 86400 <= :rung_within)
    )
)

-- name: unread
, watched AS (
    SELECT a.id AS account_id, a.exchange, s.blind_since, s.cushion,
        coalesce(julianday(r.taken_at), max(julianday(a.created_at), coalesce(s.seen_at, 0))) AS read_at
    FROM accounts a LEFT JOIN latest_reports r ON r.account_id = a.id
    LEFT JOIN states s ON s.account_id = a.id AND s.subject = '' WHERE a.refused IS NULL
)
SELECT w.account_id, w.exchange, '' AS subject,
    'last read ' || CAST(round((julianday(:now) - w.read_at) * 86400) AS INTEGER) || ' s ago' AS detail
FROM watched w
WHERE (julianday(:now) - w.read_at) * 86400 >
    :patience * max(:least, min(1.0, coalesce(w.cushion / :full, 1.0))) + :slack
AND NOT (w.blind_since IS NOT NULL AND EXISTS (
    SELECT 1 FROM notices n WHERE n.account_id = w.account_id AND n.subject = ''
    AND json_extract(n.facts, '$.reason') IN ('went_blind', 'still_blind', 'key_refused')
    AND julianday(n.created_at) >= w.blind_since - 1e-8
))

-- name: refused_untold
SELECT a.id AS account_id, a.exchange, '' AS subject, 'refused since ' || a.refused_at AS detail
FROM accounts a WHERE a.refused IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM notices n WHERE n.account_id = a.id AND n.subject = '' AND n.user_id = a.user_id
    AND json_extract(n.facts, '$.reason') = :key_refused AND n.created_at >= a.refused_at
)
