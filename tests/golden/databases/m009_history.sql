BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'marginbot','m001_people','2026-11-25 04:13:22.980915+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'marginbot','m002_accounts','2026-11-25 04:13:22.981686+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'marginbot','m003_alerts','2026-11-25 04:13:22.982484+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'marginbot','m004_passport','2026-11-25 04:13:22.983066+00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'marginbot','m005_channels','2026-11-25 04:13:22.983894+00:00');
INSERT INTO "_sqlite_migrations" VALUES(6,'marginbot','m006_audit','2026-11-25 04:13:22.984526+00:00');
INSERT INTO "_sqlite_migrations" VALUES(7,'marginbot','m007_terms','2026-11-25 04:13:22.985040+00:00');
INSERT INTO "_sqlite_migrations" VALUES(8,'marginbot','m008_snapshots','2026-11-25 04:13:22.985677+00:00');
INSERT INTO "_sqlite_migrations" VALUES(9,'marginbot','m009_history','2026-11-25 04:13:22.986555+00:00');
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
CREATE TABLE acknowledgements (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    grade INTEGER NOT NULL
) STRICT;
CREATE TABLE alert_states (
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    subject TEXT NOT NULL,
    state TEXT NOT NULL,
    mute TEXT,
    PRIMARY KEY (account_id, subject)
) STRICT, WITHOUT ROWID;
INSERT INTO "alert_states" VALUES(1,'','{"grade":3,"announced":null,"spoke_at":null,"episode":0,"number":0,"seen_at":"2026-05-04T03:02:01.234567Z","cushion":null,"blind_since":null,"blind_cause":null,"blind_spoke_at":null,"mute":null,"episode_worst":null}',NULL);
INSERT INTO "alert_states" VALUES(1,'cross:USDT','{"grade":3,"announced":3,"spoke_at":"2026-05-04T03:02:01.234567Z","episode":1,"number":1,"seen_at":"2026-05-04T03:02:01.234567Z","cushion":null,"blind_since":null,"blind_cause":null,"blind_spoke_at":null,"mute":null,"episode_worst":null}',NULL);
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
INSERT INTO "history_readings" VALUES(1,1777863721234,3,820000,190,-12000,640095,NULL,NULL,NULL);
CREATE TABLE history_series (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    pool TEXT NOT NULL,
    currency TEXT NOT NULL,
    UNIQUE (account_id, pool)
) STRICT;
INSERT INTO "history_series" VALUES(1,1,'cross:USDT','USDT');
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
CREATE TABLE history_symbols (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
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
INSERT INTO "latest_reports" VALUES(1,'2026-05-04T03:02:01.234567+00:00','{"exchange":"bybit","mode":"unified/cross","taken_at":"2026-05-04T03:02:01.234567Z","state":"ok","margin_ratio":"0.8200","pools":[{"name":"cross:USDT","margin_mode":"cross","currency":"USDT","state":"ok","equity":"1000.10","maintenance_margin":"820.0820","margin_ratio":"0.8200","buffer":"180.0180","reported_ratio":null,"room":-0.012,"scenario":"BTC","cushion":1.9,"grade":3,"decided_by":"ratio and cushion","top_up":null,"close_share":null,"target":null,"room_known":true}],"positions":[],"warnings":["estimated"]}');
CREATE TABLE latest_snapshots (
    account_id INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    taken_at TEXT NOT NULL,
    reading TEXT NOT NULL
) STRICT;
INSERT INTO "latest_snapshots" VALUES(1,'2026-05-04T03:02:01.234567+00:00','{"snapshot":{"exchange":"binanceusdm","mode":"single-asset/one-way","taken_at":"2026-05-04T03:02:01.234567Z","pools":[{"name":"cross:USDT","margin_mode":"cross","currency":"USDT","equity":"10000","maintenance_margin":"500.000","positions":[{"symbol":"BTC/USDT:USDT","underlying":"BTC","side":"long","contracts":"2","notional":"100000","entry_price":null,"mark_price":"50000","liquidation_price":null,"maintenance_margin":"500.000","unrealized_pnl":null,"coin_settled":false,"tiers":[{"floor":"0","cap":null,"maintenance_margin_rate":"0.0050","deduction":"0"}],"option":null}],"collateral":[{"asset":"BTC","value":"12.340","is_cut":true,"per_coin":null}],"stables":[],"has_debt":false,"reported_ratio":null,"option_equity_counts":true}],"warnings":[]},"volatilities":{"BTC":{"hourly":0.0123,"bars":5000,"assumed":false}}}');
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('vault_check','2788a4835daf85aa:a1494af7ae23ae4dc21cada6:c209d8b639570461ab06df0af313f3a21a2961578455550dc9f58fdbb12e3bff8d1570b332be9462b78ed59a3130c2a188');
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
INSERT INTO "notices" VALUES(1,1,'cross:USDT',1,1,1001,1001,1,'{"label":"main","exchange":"bybit","mode":"unified/cross","reason":"worsened","at":"2026-05-04T03:02:01.234567Z","read_at":null,"grade":3,"previous":0,"pool":{"name":"cross:USDT","margin_mode":"cross","currency":"USDT","state":"ok","equity":"1000.10","maintenance_margin":"820.0820","margin_ratio":"0.8200","buffer":"180.0180","reported_ratio":null,"room":-0.012,"scenario":"BTC","cushion":1.9,"grade":3,"decided_by":"ratio and cushion","top_up":null,"close_share":null,"target":null,"room_known":true},"positions":[],"cause":null,"advice":"","blind_since":null,"last_cushion":null,"warnings":[],"key_news":[],"key_expires_at":null,"terms":null,"others":[],"episode_worst":null}','2026-05-04T03:02:01.234567+00:00','pending',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
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
CREATE TABLE secrets (
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    field TEXT NOT NULL,
    key_id TEXT NOT NULL,
    nonce BLOB NOT NULL CHECK (length(nonce) = 12),
    sealed BLOB NOT NULL,
    PRIMARY KEY (account_id, field)
) STRICT, WITHOUT ROWID;
INSERT INTO "secrets" VALUES(1,'key','2788a4835daf85aa',X'8721EAEAEC92639224FF936B',X'0FF9AA292717C85946BB55E073EE542BE416172D2FEA3D4CB5FF0C4236438B39');
INSERT INTO "secrets" VALUES(1,'passphrase','2788a4835daf85aa',X'BF097EE02EAEB3B50816D4AA',X'A973D78C8A252F2B8352851993A57B154A0C5E0A4BDBEC87B51983F03C8A31F91F');
INSERT INTO "secrets" VALUES(1,'secret','2788a4835daf85aa',X'1934F5950990C158A7A38685',X'AEE350EE139E3D9B4B1E6D75A135FA44FBD197C389E11A32667DF2B828189DC8258F49E8');
INSERT INTO "secrets" VALUES(2,'key','2788a4835daf85aa',X'A9F50CC6E903ED143C2BF8E8',X'31278F3BDB1E464E07B8461EC3799FE29C0A03238A00D1AF3808B9DF3281A80C');
INSERT INTO "secrets" VALUES(2,'passphrase','2788a4835daf85aa',X'C72898CCE4FB7E6B5B150C54',X'FD1B78F9ED17C218AD87EE9C1D65C4E251D58B47B10EA39BEA087EA4A76709E72F');
INSERT INTO "secrets" VALUES(2,'secret','2788a4835daf85aa',X'1DA32295A235F27BCDA6E44A',X'B7FCB478A048D8763AFA7C3ACE384D77FBC228EE46982C4334C0F52D03BCA6FA055CD439');
INSERT INTO "secrets" VALUES(3,'key','2788a4835daf85aa',X'B41A71E919087E356FBA75A1',X'8157F49B2178907CFE6AC680DF954A35EDCB836AC4C78E12FBD982687CE4BC86');
INSERT INTO "secrets" VALUES(3,'passphrase','2788a4835daf85aa',X'C35064216A4003566399C7AA',X'6159068FEC938D87E119B425843B31BBDA27EFB2579450601DCAE135482A5F2457');
INSERT INTO "secrets" VALUES(3,'secret','2788a4835daf85aa',X'726A0E1299786C778D955400',X'7C24CD66B13924771C6083E37E43BF43FFCF14224F15F800E59D81D90ACE63AC570E9786');
CREATE TABLE shares (
    chat_id INTEGER NOT NULL,
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    amounts INTEGER NOT NULL CHECK (amounts IN (0, 1)),
    created_at TEXT NOT NULL,
    PRIMARY KEY (chat_id, account_id)
) STRICT, WITHOUT ROWID;
INSERT INTO "shares" VALUES(-100777,1,1,'2026-05-04T03:02:01.234567+00:00');
CREATE TABLE venue_terms (
    exchange TEXT PRIMARY KEY,
    loaded_at TEXT NOT NULL,
    terms TEXT NOT NULL
) STRICT, WITHOUT ROWID;
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
CREATE INDEX acknowledgements_account ON acknowledgements (account_id, at);
CREATE INDEX notices_created ON notices (created_at);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('history_series',1);
INSERT INTO "sqlite_sequence" VALUES('accounts',3);
INSERT INTO "sqlite_sequence" VALUES('notices',1);
COMMIT;
