BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'marginbot','m001_people','2026-11-25 04:13:21.084810+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'marginbot','m002_accounts','2026-11-25 04:13:21.085541+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'marginbot','m003_alerts','2026-11-25 04:13:21.086298+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'marginbot','m004_passport','2026-11-25 04:13:21.086834+00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'marginbot','m005_channels','2026-11-25 04:13:21.087690+00:00');
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
    ladders TEXT,
    UNIQUE (user_id, label_key),
    CHECK ((refused IS NULL) = (refused_at IS NULL))
) STRICT;
INSERT INTO "accounts" VALUES(1,1001,'bybit','main','main','2026-05-04T03:02:01.234567+00:00',NULL,NULL,'2026-05-04T03:03:01.234567+00:00',NULL);
INSERT INTO "accounts" VALUES(2,1001,'bybit','calm','calm','2026-05-04T03:02:01.234567+00:00',NULL,NULL,NULL,NULL);
INSERT INTO "accounts" VALUES(3,1002,'bybit','main','main','2026-05-04T03:02:01.234567+00:00',NULL,NULL,NULL,NULL);
CREATE TABLE alert_states (
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    state TEXT NOT NULL,
    mute TEXT,
    PRIMARY KEY (account_id, subject)
) STRICT, WITHOUT ROWID;
INSERT INTO "alert_states" VALUES(1,'','{"grade":3,"announced":null,"spoke_at":null,"episode":0,"number":0,"seen_at":"2026-05-04T03:02:01.234567Z","cushion":null,"blind_since":null,"blind_cause":null,"blind_spoke_at":null,"mute":null}',NULL);
INSERT INTO "alert_states" VALUES(1,'cross:USDT','{"grade":3,"announced":3,"spoke_at":"2026-05-04T03:02:01.234567Z","episode":1,"number":1,"seen_at":"2026-05-04T03:02:01.234567Z","cushion":null,"blind_since":null,"blind_cause":null,"blind_spoke_at":null,"mute":null}',NULL);
CREATE TABLE channel_reminders (
    user_id INTEGER PRIMARY KEY REFERENCES people (user_id) ON DELETE CASCADE,
    told_at TEXT NOT NULL
) STRICT;
CREATE TABLE channel_secrets (
    channel_id INTEGER PRIMARY KEY REFERENCES channels (id) ON DELETE CASCADE,
    key_id TEXT NOT NULL,
    nonce BLOB NOT NULL CHECK (length(nonce) = 12),
    sealed BLOB NOT NULL
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
CREATE TABLE drills (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL REFERENCES people (user_id) ON DELETE CASCADE,
    started_at TEXT NOT NULL,
    told_at TEXT,
    tapped_at TEXT
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
CREATE TABLE invites (
    code_hash TEXT PRIMARY KEY,
    created_by INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    used_by INTEGER,
    used_at TEXT,
    CHECK ((used_by IS NULL) = (used_at IS NULL))
) STRICT, WITHOUT ROWID;
CREATE TABLE key_checks (
    account_id INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    checked_at TEXT NOT NULL,
    checked TEXT NOT NULL
) STRICT;
CREATE TABLE latest_reports (
    account_id INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    taken_at TEXT NOT NULL,
    report TEXT NOT NULL
) STRICT;
INSERT INTO "latest_reports" VALUES(1,'2026-05-04T03:02:01.234567+00:00','{"exchange":"bybit","mode":"unified/cross","taken_at":"2026-05-04T03:02:01.234567Z","state":"ok","margin_ratio":"0.8200","pools":[{"name":"cross:USDT","margin_mode":"cross","currency":"USDT","state":"ok","equity":"1000.10","maintenance_margin":"820.0820","margin_ratio":"0.8200","buffer":"180.0180","reported_ratio":null,"room":-0.012,"scenario":"BTC","cushion":1.9,"grade":3,"decided_by":"ratio and cushion","top_up":null,"close_share":null,"target":null}],"positions":[],"warnings":["estimated"]}');
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('vault_check','2788a4835daf85aa:2bb96e83831b46d2bba76567:280a1ec871e89ef36bbd94a69bed79c41532f72cbe5e7b165f2999ed0007751a33172b8907fdc0815130583dffc2c5291b');
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
    drop_reason TEXT,
    UNIQUE (account_id, subject, episode, number, chat_id),
    CHECK ((status = 'sent') = (accepted_at IS NOT NULL)),
    CHECK ((status = 'dropped') = (drop_reason IS NOT NULL AND dropped_at IS NOT NULL))
) STRICT;
INSERT INTO "notices" VALUES(1,1,'cross:USDT',1,1,1001,1001,1,'{"label":"main","exchange":"bybit","mode":"unified/cross","reason":"worsened","at":"2026-05-04T03:02:01.234567Z","grade":3,"previous":0,"pool":{"name":"cross:USDT","margin_mode":"cross","currency":"USDT","state":"ok","equity":"1000.10","maintenance_margin":"820.0820","margin_ratio":"0.8200","buffer":"180.0180","reported_ratio":null,"room":-0.012,"scenario":"BTC","cushion":1.9,"grade":3,"decided_by":"ratio and cushion","top_up":null,"close_share":null,"target":null},"positions":[],"cause":null,"advice":"","blind_since":null,"last_cushion":null,"warnings":[],"key_news":[],"key_expires_at":null}','2026-05-04T03:02:01.234567+00:00','pending',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE people (
    user_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    private_chat_id INTEGER NOT NULL,
    is_member INTEGER NOT NULL DEFAULT 0 CHECK (is_member IN (0, 1)),
    unreachable_since TEXT,
    ladders TEXT
) STRICT;
INSERT INTO "people" VALUES(1001,'Alice',1001,0,NULL,NULL);
INSERT INTO "people" VALUES(1002,'Bob',1002,0,NULL,NULL);
CREATE TABLE readings (
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    taken_at_ms INTEGER NOT NULL,
    pool TEXT NOT NULL,
    margin_ratio TEXT,
    cushion REAL,
    grade INTEGER,
    PRIMARY KEY (account_id, taken_at_ms, pool)
) STRICT, WITHOUT ROWID;
INSERT INTO "readings" VALUES(1,1777863721234,'cross:USDT','0.8200',1.9,3);
CREATE TABLE secrets (
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    field TEXT NOT NULL,
    key_id TEXT NOT NULL,
    nonce BLOB NOT NULL CHECK (length(nonce) = 12),
    sealed BLOB NOT NULL,
    PRIMARY KEY (account_id, field)
) STRICT, WITHOUT ROWID;
INSERT INTO "secrets" VALUES(1,'key','2788a4835daf85aa',X'5DB49D025C8FDD8DB44FDA0A',X'CE6C8065B4DECC435C0FD2D1BF1A6C00E95F7ACEF4D8EEDCEFD41EEDF4AC88A3');
INSERT INTO "secrets" VALUES(1,'passphrase','2788a4835daf85aa',X'EB3C65C59B4ACDB149A1FFE9',X'ED1CC7F139F162EFBE500E0F6258AAC028069B5E9069C8CA014C9C1C7302926B99');
INSERT INTO "secrets" VALUES(1,'secret','2788a4835daf85aa',X'E3A14BE8AB91263498D29F75',X'3207B24DEFC5DDAA10498A2DBDB854527FA94ABBA45DD0BA610B1F142DF760AA8639AACD');
INSERT INTO "secrets" VALUES(2,'key','2788a4835daf85aa',X'FC5C18C6F0E7C0C311A5316F',X'0AF39B5B1AFAB60F8DD33531B9EFDD6E16F14C4E0EF4E35EE43ED06A71C5C4DD');
INSERT INTO "secrets" VALUES(2,'passphrase','2788a4835daf85aa',X'ED2F4D50515F3A87ABAA7568',X'C86902EE89F6F71599CBBA7AE7172E18CDB15105882867644F16533E2A5B5B8400');
INSERT INTO "secrets" VALUES(2,'secret','2788a4835daf85aa',X'1AA4C1D767161895EA6F8788',X'A9A1022664747DB6B16AF2C2D0B026C8080214406EFDB7BD55E6FF5BE68270D9ECA5F130');
INSERT INTO "secrets" VALUES(3,'key','2788a4835daf85aa',X'600245F843D182FFE368BCCA',X'0D172BA3614876042B9235677000779FA89B25553BDD7E7240E10B21BC1DC6C2');
INSERT INTO "secrets" VALUES(3,'passphrase','2788a4835daf85aa',X'EFADC13EA907877D787F6759',X'89116C7389DAFA50F4698C5D332D60F9CEBFA99C03353FC1F8E8F6E87285E5B0E9');
INSERT INTO "secrets" VALUES(3,'secret','2788a4835daf85aa',X'7A6925EB0CA371D6E6C8D7BB',X'DB7C3F0509559AC631403EDB4E8A29B2CFEF76317F9774097B582F1E583FA2339B3379FD');
CREATE TABLE shares (
    chat_id INTEGER NOT NULL,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    amounts INTEGER NOT NULL CHECK (amounts IN (0, 1)),
    created_at TEXT NOT NULL,
    PRIMARY KEY (chat_id, account_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "shares" VALUES(-100777,1,1,'2026-05-04T03:02:01.234567+00:00');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE INDEX shares_account ON shares (account_id);
CREATE INDEX notices_pending ON notices (id) WHERE status = 'pending';
CREATE INDEX notices_message ON notices (chat_id, message_id) WHERE message_id IS NOT NULL;
CREATE INDEX channels_user ON channels (user_id);
CREATE INDEX escalation_steps_account ON escalation_steps (account_id);
CREATE INDEX escalation_steps_open ON escalation_steps (channel_id) WHERE closed_at IS NULL;
CREATE INDEX escalation_steps_receipt ON escalation_steps (channel_id, receipt) WHERE receipt IS NOT NULL AND receipt_closed_at IS NULL;
CREATE INDEX drills_user ON drills (user_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('accounts',3);
INSERT INTO "sqlite_sequence" VALUES('notices',1);
COMMIT;
