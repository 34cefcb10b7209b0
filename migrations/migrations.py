"""The database's history, oldest first. Append only; never edit what was released, never import the package.

Conventions: STRICT tables; times are text, ISO 8601 in UTC to the microsecond (`…_at`, `…_since`), or integers with
their unit in the name; exact numbers (`Decimal`) are text; documents are JSON text.
"""

from sqlite_utils import Database
from sqlite_utils.migrations import Migrations

migrations = Migrations("marginbot")

PEOPLE = (
    """CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE people (
    user_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    private_chat_id INTEGER NOT NULL,
    is_member INTEGER NOT NULL DEFAULT 0 CHECK (is_member IN (0, 1)),
    unreachable_since TEXT,
    ladders TEXT
) STRICT""",
    # Only the hash of a code is kept. People in here need not be known otherwise: no foreign keys.
    """CREATE TABLE invites (
    code_hash TEXT PRIMARY KEY,
    created_by INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    used_by INTEGER,
    used_at TEXT,
    CHECK ((used_by IS NULL) = (used_at IS NULL))
) STRICT, WITHOUT ROWID""",
)

ACCOUNTS = (
    # AUTOINCREMENT: the id of a removed account never returns, so that what was sealed for it opens nothing else.
    """CREATE TABLE accounts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES people (user_id) ON DELETE CASCADE,
    exchange TEXT NOT NULL,
    label TEXT NOT NULL,
    label_key TEXT NOT NULL,
    created_at TEXT NOT NULL,
    refused TEXT,
    refused_at TEXT,
    next_due_at TEXT,
    ladders TEXT,
    UNIQUE (user_id, label_key),
    CHECK ((refused IS NULL) = (refused_at IS NULL))
) STRICT""",
    """CREATE TABLE secrets (
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    field TEXT NOT NULL,
    key_id TEXT NOT NULL,
    nonce BLOB NOT NULL CHECK (length(nonce) = 12),
    sealed BLOB NOT NULL,
    PRIMARY KEY (account_id, field)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE shares (
    chat_id INTEGER NOT NULL,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    amounts INTEGER NOT NULL CHECK (amounts IN (0, 1)),
    created_at TEXT NOT NULL,
    PRIMARY KEY (chat_id, account_id)
) STRICT, WITHOUT ROWID""",
    "CREATE INDEX shares_account ON shares (account_id)",
)

ALERTS = (
    # The mute stands beside the state: people set the one, readings the other.
    """CREATE TABLE alert_states (
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    state TEXT NOT NULL,
    mute TEXT,
    PRIMARY KEY (account_id, subject)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE latest_reports (
    account_id INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    taken_at TEXT NOT NULL,
    report TEXT NOT NULL
) STRICT""",
    """CREATE TABLE readings (
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    taken_at_ms INTEGER NOT NULL,
    pool TEXT NOT NULL,
    margin_ratio TEXT,
    cushion REAL,
    grade INTEGER,
    PRIMARY KEY (account_id, taken_at_ms, pool)
) STRICT, WITHOUT ROWID""",
    """CREATE TABLE notices (
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
    drop_reason TEXT,
    UNIQUE (account_id, subject, episode, number, chat_id),
    CHECK ((status = 'sent') = (accepted_at IS NOT NULL)),
    CHECK ((status = 'dropped') = (drop_reason IS NOT NULL AND dropped_at IS NOT NULL))
) STRICT""",
    "CREATE INDEX notices_pending ON notices (id) WHERE status = 'pending'",
    "CREATE INDEX notices_message ON notices (chat_id, message_id) WHERE message_id IS NOT NULL",
)

KEYS = (
    """CREATE TABLE key_checks (
    account_id INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    checked_at TEXT NOT NULL,
    checked TEXT NOT NULL
) STRICT""",
)


CHANNELS = (
    # AUTOINCREMENT: what was sealed for a removed channel opens nothing else.
    """CREATE TABLE channels (
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
) STRICT""",
    "CREATE INDEX channels_user ON channels (user_id)",
    """CREATE TABLE channel_secrets (
    channel_id INTEGER PRIMARY KEY REFERENCES channels (id) ON DELETE CASCADE,
    key_id TEXT NOT NULL,
    nonce BLOB NOT NULL CHECK (length(nonce) = 12),
    sealed BLOB NOT NULL
) STRICT""",
    # A step is written before anything is sent; its key keeps a repeated plan from ringing twice.
    """CREATE TABLE escalation_steps (
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
) STRICT""",
    "CREATE INDEX escalation_steps_account ON escalation_steps (account_id)",
    "CREATE INDEX escalation_steps_open ON escalation_steps (channel_id) WHERE closed_at IS NULL",
    "CREATE INDEX escalation_steps_receipt ON escalation_steps (channel_id, receipt) "
    "WHERE receipt IS NOT NULL AND receipt_closed_at IS NULL",
    """CREATE TABLE drills (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES people (user_id) ON DELETE CASCADE,
    started_at TEXT NOT NULL,
    told_at TEXT,
    tapped_at TEXT
) STRICT""",
    "CREATE INDEX drills_user ON drills (user_id)",
    """CREATE TABLE channel_reminders (
    user_id INTEGER PRIMARY KEY REFERENCES people (user_id) ON DELETE CASCADE,
    told_at TEXT NOT NULL
) STRICT""",
)


AUDIT = (
    # A mute is forgotten when its episode is over; that somebody asked for it belongs to the record.
    """CREATE TABLE acknowledgements (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    grade INTEGER NOT NULL
) STRICT""",
    "CREATE INDEX acknowledgements_account ON acknowledgements (account_id, at)",
)

HISTORY = (
    # A series is a pool of an account. AUTOINCREMENT: the number of one that is gone never returns.
    """CREATE TABLE history_series (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    pool TEXT NOT NULL,
    currency TEXT NOT NULL,
    UNIQUE (account_id, pool)
) STRICT""",
    """CREATE TABLE history_symbols (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT""",
    # Clustered by pool and time, in small integers: `_short` is five significant digits, mantissa * 64 + exponent + 32.
    """CREATE TABLE history_readings (
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
) STRICT, WITHOUT ROWID""",
    # Old readings, folded: the worst and the best of a span, never an average.
    """CREATE TABLE history_spans (
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
) STRICT, WITHOUT ROWID""",
    # What was kept before had no currency and no prices.
    "INSERT INTO history_series (account_id, pool, currency) SELECT DISTINCT account_id, pool, '' FROM readings",
    "INSERT INTO history_readings (series_id, at_ms, grade, margin_ratio_ppm, cushion_hundredths) "
    "SELECT s.id, r.taken_at_ms, r.grade, CAST(round(min(CAST(r.margin_ratio AS REAL), 1e9) * 1000000) AS INTEGER), "
    "CAST(round(min(r.cushion, 1e9) * 100) AS INTEGER) "
    "FROM readings r JOIN history_series s ON s.account_id = r.account_id AND s.pool = r.pool",
    "DROP TABLE readings",
    "CREATE INDEX notices_created ON notices (created_at)",
)

REPORTS = (
    # `minute_of_day` NULL: none is wanted; the row stays, so that a day never has two.
    """CREATE TABLE report_times (
    user_id INTEGER PRIMARY KEY REFERENCES people (user_id) ON DELETE CASCADE,
    minute_of_day INTEGER CHECK (minute_of_day BETWEEN 0 AND 1439),
    sent_on TEXT
) STRICT""",
)


TERMS = (
    # Public facts of a venue, as a document: nothing of an account is in it.
    """CREATE TABLE venue_terms (
    exchange TEXT PRIMARY KEY,
    loaded_at TEXT NOT NULL,
    terms TEXT NOT NULL
) STRICT, WITHOUT ROWID""",
)


SNAPSHOTS = (
    """CREATE TABLE latest_snapshots (
    account_id INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    taken_at TEXT NOT NULL,
    reading TEXT NOT NULL
) STRICT""",
)


@migrations()
def m001_people(db: Database) -> None:
    """Settings of the database itself, people, invitations."""
    for statement in PEOPLE:
        db.execute(statement)


@migrations()
def m002_accounts(db: Database) -> None:
    """Accounts, their sealed secrets, and who else may look at them."""
    for statement in ACCOUNTS:
        db.execute(statement)


@migrations()
def m003_alerts(db: Database) -> None:
    """What is known of each account, what was told about it, and a light history."""
    for statement in ALERTS:
        db.execute(statement)


@migrations()
def m004_passport(db: Database) -> None:
    """What each key may do, as the venue last said."""
    for statement in KEYS:
        db.execute(statement)


@migrations()
def m005_channels(db: Database) -> None:
    """Further ways to reach people, what was rung there, and exercises."""
    for statement in CHANNELS:
        db.execute(statement)


@migrations()
def m006_audit(db: Database) -> None:
    """When people acknowledged what they were told."""
    for statement in AUDIT:
        db.execute(statement)


@migrations()
def m007_terms(db: Database) -> None:
    """What each venue requires: its leverage tiers and collateral rates, with their date."""
    for statement in TERMS:
        db.execute(statement)


@migrations()
def m008_snapshots(db: Database) -> None:
    """The last reading of each account in full."""
    for statement in SNAPSHOTS:
        db.execute(statement)


@migrations()
def m009_history(db: Database) -> None:
    """A history that a year of fits in: by pool and time, in small numbers, folded as it ages."""
    for statement in HISTORY:
        db.execute(statement)


@migrations()
def m010_reports(db: Database) -> None:
    """Daily reports: when each person wants theirs, and the last day that had it."""
    for statement in REPORTS:
        db.execute(statement)


@migrations()
def m011_reminders(db: Database) -> None:
    """How often each person's alerts are repeated: seconds by grade; NULL is the default."""
    db.execute("ALTER TABLE people ADD COLUMN reminders TEXT")


BUDDIES = (
    # A question that somebody may answer who was given its code; only the hash of the code is kept.
    """CREATE TABLE buddy_questions (
    code_hash TEXT PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES people (user_id) ON DELETE CASCADE,
    from_grade INTEGER NOT NULL CHECK (from_grade BETWEEN 2 AND 5),
    delay_seconds INTEGER NOT NULL CHECK (delay_seconds >= 0),
    expires_at TEXT NOT NULL
) STRICT, WITHOUT ROWID""",
    "CREATE INDEX buddy_questions_user ON buddy_questions (user_id)",
    # Who answers such a channel: so that they can find it, and end it.
    """CREATE TABLE buddies (
    channel_id INTEGER PRIMARY KEY REFERENCES channels (id) ON DELETE CASCADE,
    buddy_id INTEGER NOT NULL
) STRICT""",
    "CREATE INDEX buddies_buddy ON buddies (buddy_id)",
)


@migrations()
def m012_buddies(db: Database) -> None:
    """People who agreed to be told that somebody does not answer."""
    for statement in BUDDIES:
        db.execute(statement)


LOCAL_HOURS = (
    # `zone` NULL is UTC. Minutes of the local day; both NULL: no quiet hours.
    """CREATE TABLE local_hours (
    user_id INTEGER PRIMARY KEY REFERENCES people (user_id) ON DELETE CASCADE,
    zone TEXT,
    quiet_from INTEGER CHECK (quiet_from BETWEEN 0 AND 1439),
    quiet_until INTEGER CHECK (quiet_until BETWEEN 0 AND 1439)
) STRICT""",
    # Why a notice is not sent yet, and that it was held: set on purpose, never by a failure.
    "ALTER TABLE notices ADD COLUMN held_until TEXT",
)


@migrations()
def m013_local_hours(db: Database) -> None:
    """Each person's time zone and quiet hours, and which notices were held for them."""
    for statement in LOCAL_HOURS:
        db.execute(statement)


DUE = (
    # How much the worst pool is in danger, 0 to 3: who is read first where a venue's limit does not allow for all.
    "ALTER TABLE accounts ADD COLUMN urgency INTEGER NOT NULL DEFAULT 2",
    "CREATE INDEX accounts_due ON accounts (exchange, urgency, coalesce(next_due_at, '')) WHERE refused IS NULL",
)


@migrations()
def m014_due(db: Database) -> None:
    """Whose turn it is, found without looking at all accounts."""
    for statement in DUE:
        db.execute(statement)


# A group has no person whose row could hold its language.
GROUP_LANGUAGES = """CREATE TABLE group_languages (
    chat_id INTEGER PRIMARY KEY,
    language TEXT NOT NULL
) STRICT"""


@migrations()
def m015_languages(db: Database) -> None:
    """The language of each person, as chosen and as their Telegram says, and of each group."""
    db.execute("ALTER TABLE people ADD COLUMN language TEXT")
    db.execute("ALTER TABLE people ADD COLUMN client_language TEXT")
    db.execute(GROUP_LANGUAGES)


# `message_id` NULL: still to be posted. `told`: by account, the grade that the group was last told of.
BOARDS = (
    """CREATE TABLE boards (
    chat_id INTEGER PRIMARY KEY,
    thread_id INTEGER,
    user_id INTEGER REFERENCES people (user_id) ON DELETE SET NULL,
    started_at TEXT NOT NULL,
    message_id INTEGER,
    shown TEXT NOT NULL DEFAULT '',
    shown_at TEXT,
    told TEXT NOT NULL,
    ending INTEGER NOT NULL DEFAULT 0 CHECK (ending IN (0, 1))
) STRICT""",
    "CREATE INDEX boards_user ON boards (user_id)",
)


@migrations()
def m016_boards(db: Database) -> None:
    """The live board of each group that has one."""
    for statement in BOARDS:
        db.execute(statement)


@migrations()
def m017_chart_theme(db: Database) -> None:
    """The colours of each person's pictures; NULL is dark."""
    db.execute("ALTER TABLE people ADD COLUMN chart_theme TEXT CHECK (chart_theme IN ('dark', 'light'))")


# Only what is answered before any secret is asked for.
DIALOGUES = """CREATE TABLE dialogues (
    user_id INTEGER PRIMARY KEY REFERENCES people (user_id) ON DELETE CASCADE,
    exchange TEXT NOT NULL,
    label TEXT,
    touched_at TEXT NOT NULL
) STRICT"""


@migrations()
def m018_dialogues(db: Database) -> None:
    """Guided /adds under way, so that they outlast a restart."""
    db.execute(DIALOGUES)


LATEST_TIERS = (
    """CREATE TABLE latest_tiers (
    account_id INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    digest TEXT NOT NULL,
    tiers TEXT NOT NULL
) STRICT""",
    "ALTER TABLE latest_snapshots ADD COLUMN tiers_digest TEXT",
)


@migrations()
def m019_latest_tiers(db: Database) -> None:
    """The leverage tiers of the last reading apart from it, written when they change; NULL: they stand in it."""
    for statement in LATEST_TIERS:
        db.execute(statement)


@migrations()
def m020_age_of_readings(db: Database) -> None:
    """The oldest readings are looked for among narrow rows: a report is one or two pages."""
    db.execute("CREATE INDEX latest_reports_age ON latest_reports (account_id, taken_at)")


@migrations()
def m021_group_zones(db: Database) -> None:
    """The time zone of each group that has one."""
    db.execute("CREATE TABLE group_zones (\n    chat_id INTEGER PRIMARY KEY,\n    zone TEXT NOT NULL\n) STRICT")
