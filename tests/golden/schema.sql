CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE people (
    user_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    private_chat_id INTEGER NOT NULL,
    is_member INTEGER NOT NULL DEFAULT 0 CHECK (is_member IN (0, 1)),
    unreachable_since TEXT,
    ladders TEXT
, reminders TEXT, language TEXT, client_language TEXT, chart_theme TEXT CHECK (chart_theme IN ('dark', 'light'))) STRICT;

CREATE TABLE invites (
    code_hash TEXT PRIMARY KEY,
    created_by INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    used_by INTEGER,
    used_at TEXT,
    CHECK ((used_by IS NULL) = (used_at IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES people (user_id) ON DELETE CASCADE,
    exchange TEXT NOT NULL,
    label TEXT NOT NULL,
    label_key TEXT NOT NULL,
    created_at TEXT NOT NULL,
    refused TEXT,
    refused_at TEXT,
    next_due_at TEXT,
    ladders TEXT, urgency INTEGER NOT NULL DEFAULT 2,
    UNIQUE (user_id, label_key),
    CHECK ((refused IS NULL) = (refused_at IS NULL))
) STRICT;

CREATE TABLE secrets (
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    field TEXT NOT NULL,
    key_id TEXT NOT NULL,
    nonce BLOB NOT NULL CHECK (length(nonce) = 12),
    sealed BLOB NOT NULL,
    PRIMARY KEY (account_id, field)
) STRICT, WITHOUT ROWID;

CREATE TABLE shares (
    chat_id INTEGER NOT NULL,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    amounts INTEGER NOT NULL CHECK (amounts IN (0, 1)),
    created_at TEXT NOT NULL,
    PRIMARY KEY (chat_id, account_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX shares_account ON shares (account_id);

CREATE TABLE alert_states (
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    state TEXT NOT NULL,
    mute TEXT,
    PRIMARY KEY (account_id, subject)
) STRICT, WITHOUT ROWID;

CREATE TABLE latest_reports (
    account_id INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    taken_at TEXT NOT NULL,
    report TEXT NOT NULL
) STRICT;

CREATE TABLE notices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    episode INTEGER NOT NULL,
    number INTEGER NOT NULL,
    user_id INTEGER NOT NULL,
    chat_id INTEGER NOT NULL,
    sound INTEGER NOT NULL CHECK (sound IN (0, 1)),
    facts TEXT NOT NULL,
    created_at TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'sent', 'dropped')),
    attempts INTEGER NOT NULL DEFAULT 0,
    attempted_at TEXT,
    next_attempt_at TEXT,
    accepted_at TEXT,
    message_id INTEGER,
    last_error TEXT,
    dropped_at TEXT,
    drop_reason TEXT, held_until TEXT,
    UNIQUE (account_id, subject, episode, number, chat_id),
    CHECK ((status = 'sent') = (accepted_at IS NOT NULL)),
    CHECK ((status = 'dropped') = (drop_reason IS NOT NULL AND dropped_at IS NOT NULL))
) STRICT;

CREATE INDEX notices_pending ON notices (id) WHERE status = 'pending';

CREATE INDEX notices_message ON notices (chat_id, message_id) WHERE message_id IS NOT NULL;

CREATE TABLE key_checks (
    account_id INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    checked_at TEXT NOT NULL,
    checked TEXT NOT NULL
) STRICT;

CREATE TABLE channels (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES people (user_id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    from_grade INTEGER NOT NULL CHECK (from_grade BETWEEN 1 AND 5),
    delay_seconds INTEGER NOT NULL CHECK (delay_seconds >= 0),
    created_at TEXT NOT NULL,
    proven_at TEXT,
    disabled_at TEXT,
    disabled_reason TEXT,
    CHECK ((disabled_at IS NULL) = (disabled_reason IS NULL))
) STRICT;

CREATE INDEX channels_user ON channels (user_id);

CREATE TABLE channel_secrets (
    channel_id INTEGER PRIMARY KEY REFERENCES channels (id) ON DELETE CASCADE,
    key_id TEXT NOT NULL,
    nonce BLOB NOT NULL CHECK (length(nonce) = 12),
    sealed BLOB NOT NULL
) STRICT;

CREATE TABLE escalation_steps (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    channel_id INTEGER NOT NULL REFERENCES channels (id) ON DELETE CASCADE,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    episode INTEGER NOT NULL,
    number INTEGER NOT NULL,
    grade INTEGER NOT NULL,
    due_at TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'waiting'
        CHECK (status IN ('waiting', 'ringing', 'accepted', 'stopped', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0,
    repeats INTEGER NOT NULL DEFAULT 0,
    attempted_at TEXT,
    accepted_at TEXT,
    receipt TEXT,
    receipt_closed_at TEXT,
    closed_at TEXT,
    reason TEXT,
    UNIQUE (channel_id, account_id, subject, episode, number),
    CHECK ((status = 'accepted') = (accepted_at IS NOT NULL)),
    CHECK ((status IN ('stopped', 'failed')) = (reason IS NOT NULL)),
    CHECK ((status IN ('waiting', 'ringing')) = (closed_at IS NULL))
) STRICT;

CREATE INDEX escalation_steps_account ON escalation_steps (account_id);

CREATE INDEX escalation_steps_open ON escalation_steps (channel_id) WHERE closed_at IS NULL;

CREATE INDEX escalation_steps_receipt ON escalation_steps (channel_id, receipt) WHERE receipt IS NOT NULL AND receipt_closed_at IS NULL;

CREATE TABLE drills (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES people (user_id) ON DELETE CASCADE,
    started_at TEXT NOT NULL,
    told_at TEXT,
    tapped_at TEXT
) STRICT;

CREATE INDEX drills_user ON drills (user_id);

CREATE TABLE channel_reminders (
    user_id INTEGER PRIMARY KEY REFERENCES people (user_id) ON DELETE CASCADE,
    told_at TEXT NOT NULL
) STRICT;

CREATE TABLE acknowledgements (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    grade INTEGER NOT NULL
) STRICT;

CREATE INDEX acknowledgements_account ON acknowledgements (account_id, at);

CREATE TABLE venue_terms (
    exchange TEXT PRIMARY KEY,
    loaded_at TEXT NOT NULL,
    terms TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE latest_snapshots (
    account_id INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    taken_at TEXT NOT NULL,
    reading TEXT NOT NULL
, tiers_digest TEXT) STRICT;

CREATE TABLE history_series (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    pool TEXT NOT NULL,
    currency TEXT NOT NULL,
    UNIQUE (account_id, pool)
) STRICT;

CREATE TABLE history_symbols (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE history_readings (
    series_id INTEGER NOT NULL REFERENCES history_series (id) ON DELETE CASCADE,
    at_ms INTEGER NOT NULL,
    grade INTEGER,
    margin_ratio_ppm INTEGER,
    cushion_hundredths INTEGER,
    room_ppm INTEGER,
    equity_short INTEGER,
    symbol_id INTEGER,
    mark_short INTEGER,
    liquidation_short INTEGER,
    PRIMARY KEY (series_id, at_ms)
) STRICT, WITHOUT ROWID;

CREATE TABLE history_spans (
    series_id INTEGER NOT NULL REFERENCES history_series (id) ON DELETE CASCADE,
    size_s INTEGER NOT NULL CHECK (size_s > 0),
    at_ms INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    grade INTEGER,
    margin_ratio_low_ppm INTEGER,
    margin_ratio_high_ppm INTEGER,
    cushion_low_hundredths INTEGER,
    cushion_high_hundredths INTEGER,
    room_ppm INTEGER,
    equity_low_short INTEGER,
    equity_short INTEGER,
    symbol_id INTEGER,
    mark_low_short INTEGER,
    mark_high_short INTEGER,
    liquidation_short INTEGER,
    unseen_s INTEGER NOT NULL,
    PRIMARY KEY (series_id, size_s, at_ms)
) STRICT, WITHOUT ROWID;

CREATE INDEX notices_created ON notices (created_at);

CREATE TABLE report_times (
    user_id INTEGER PRIMARY KEY REFERENCES people (user_id) ON DELETE CASCADE,
    minute_of_day INTEGER CHECK (minute_of_day BETWEEN 0 AND 1439),
    sent_on TEXT
) STRICT;

CREATE TABLE buddy_questions (
    code_hash TEXT PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES people (user_id) ON DELETE CASCADE,
    from_grade INTEGER NOT NULL CHECK (from_grade BETWEEN 2 AND 5),
    delay_seconds INTEGER NOT NULL CHECK (delay_seconds >= 0),
    expires_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX buddy_questions_user ON buddy_questions (user_id);

CREATE TABLE buddies (
    channel_id INTEGER PRIMARY KEY REFERENCES channels (id) ON DELETE CASCADE,
    buddy_id INTEGER NOT NULL
) STRICT;

CREATE INDEX buddies_buddy ON buddies (buddy_id);

CREATE TABLE local_hours (
    user_id INTEGER PRIMARY KEY REFERENCES people (user_id) ON DELETE CASCADE,
    zone TEXT,
    quiet_from INTEGER CHECK (quiet_from BETWEEN 0 AND 1439),
    quiet_until INTEGER CHECK (quiet_until BETWEEN 0 AND 1439)
) STRICT;

CREATE INDEX accounts_due ON accounts (exchange, urgency, coalesce(next_due_at, '')) WHERE refused IS NULL;

CREATE TABLE group_languages (
    chat_id INTEGER PRIMARY KEY,
    language TEXT NOT NULL
) STRICT;

CREATE TABLE boards (
    chat_id INTEGER PRIMARY KEY,
    thread_id INTEGER,
    user_id INTEGER REFERENCES people (user_id) ON DELETE SET NULL,
    started_at TEXT NOT NULL,
    message_id INTEGER,
    shown TEXT NOT NULL DEFAULT '',
    shown_at TEXT,
    told TEXT NOT NULL,
    ending INTEGER NOT NULL DEFAULT 0 CHECK (ending IN (0, 1))
) STRICT;

CREATE INDEX boards_user ON boards (user_id);

CREATE TABLE dialogues (
    user_id INTEGER PRIMARY KEY REFERENCES people (user_id) ON DELETE CASCADE,
    exchange TEXT NOT NULL,
    label TEXT,
    touched_at TEXT NOT NULL
) STRICT;

CREATE TABLE latest_tiers (
    account_id INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    tiers TEXT NOT NULL
) STRICT;

CREATE INDEX latest_reports_age ON latest_reports (account_id, taken_at);

CREATE TABLE group_zones (
    chat_id INTEGER PRIMARY KEY,
    zone TEXT NOT NULL
) STRICT;

