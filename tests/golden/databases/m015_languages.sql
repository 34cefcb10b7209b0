BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'marginbot','m001_people','2026-11-25 14:01:19.865661+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'marginbot','m002_accounts','2026-11-25 14:01:19.869618+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'marginbot','m003_alerts','2026-11-25 14:01:19.873682+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'marginbot','m004_passport','2026-11-25 14:01:19.877432+00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'marginbot','m005_channels','2026-11-25 14:01:19.883989+00:00');
INSERT INTO "_sqlite_migrations" VALUES(6,'marginbot','m006_audit','2026-11-25 14:01:19.893769+00:00');
INSERT INTO "_sqlite_migrations" VALUES(7,'marginbot','m007_terms','2026-11-25 14:01:19.897476+00:00');
INSERT INTO "_sqlite_migrations" VALUES(8,'marginbot','m008_snapshots','2026-11-25 14:01:19.905488+00:00');
INSERT INTO "_sqlite_migrations" VALUES(9,'marginbot','m009_history','2026-11-25 14:01:19.909946+00:00');
INSERT INTO "_sqlite_migrations" VALUES(10,'marginbot','m010_reports','2026-11-25 14:01:19.921554+00:00');
INSERT INTO "_sqlite_migrations" VALUES(11,'marginbot','m011_reminders','2026-11-25 14:01:19.929758+00:00');
INSERT INTO "_sqlite_migrations" VALUES(12,'marginbot','m012_buddies','2026-11-25 14:01:19.941747+00:00');
INSERT INTO "_sqlite_migrations" VALUES(13,'marginbot','m013_local_hours','2026-11-25 14:01:19.954143+00:00');
INSERT INTO "_sqlite_migrations" VALUES(14,'marginbot','m014_due','2026-11-25 14:01:19.970035+00:00');
INSERT INTO "_sqlite_migrations" VALUES(15,'marginbot','m015_languages','2026-11-25 14:01:19.978085+00:00');
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
INSERT INTO "accounts" VALUES(1,1001,'bybit','main','main','2026-05-04T03:02:01.234567+00:00',NULL,NULL,'2026-05-04T03:03:01.234567+00:00',NULL,3);
INSERT INTO "accounts" VALUES(2,1001,'bybit','calm','calm','2026-05-04T03:02:01.234567+00:00',NULL,NULL,NULL,NULL,2);
INSERT INTO "accounts" VALUES(3,1002,'bybit','main','main','2026-05-04T03:02:01.234567+00:00',NULL,NULL,NULL,NULL,2);
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
INSERT INTO "alert_states" VALUES(1,'','{"grade":3,"announced":null,"spoke_at":null,"episode":0,"number":0,"seen_at":"2026-05-04T03:02:01.234567Z","cushion":null,"blind_since":null,"blind_cause":null,"blind_spoke_at":null,"mute":null,"episode_worst":null,"afresh":null}',NULL);
INSERT INTO "alert_states" VALUES(1,'cross:USDT','{"grade":3,"announced":3,"spoke_at":"2026-05-04T03:02:01.234567Z","episode":1,"number":1,"seen_at":"2026-05-04T03:02:01.234567Z","cushion":null,"blind_since":null,"blind_cause":null,"blind_spoke_at":null,"mute":null,"episode_worst":null,"afresh":null}',NULL);
CREATE TABLE buddies (
    channel_id INTEGER PRIMARY KEY REFERENCES channels (id) ON DELETE CASCADE,
    buddy_id INTEGER NOT NULL
) STRICT;
CREATE TABLE buddy_questions (
    code_hash TEXT PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES people (user_id) ON DELETE CASCADE,
    from_grade INTEGER NOT NULL CHECK (from_grade BETWEEN 2 AND 5),
    delay_seconds INTEGER NOT NULL CHECK (delay_seconds >= 0),
    expires_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
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
CREATE TABLE group_languages (
    chat_id INTEGER PRIMARY KEY,
    language TEXT NOT NULL
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
INSERT INTO "latest_reports" VALUES(1,'2026-05-04T03:02:01.234567+00:00','{"exchange":"bybit","mode":"unified/cross","taken_at":"2026-05-04T03:02:01.234567Z","state":"ok","margin_ratio":"0.8200","pools":[{"name":"cross:USDT","margin_mode":"cross","currency":"USDT","state":"ok","equity":"1000.10","maintenance_margin":"820.0820","margin_ratio":"0.8200","buffer":"180.0180","reported_ratio":null,"room":-0.012,"scenario":"BTC","cushion":1.9,"grade":3,"decided_by":"ratio and cushion","top_up":null,"close_share":null,"target":null,"afresh":null,"room_known":true}],"positions":[],"warnings":["estimated"],"coins":[]}');
CREATE TABLE latest_snapshots (
    account_id INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    taken_at TEXT NOT NULL,
    reading TEXT NOT NULL
) STRICT;
INSERT INTO "latest_snapshots" VALUES(1,'2026-05-04T03:02:01.234567+00:00','{"snapshot":{"exchange":"binanceusdm","mode":"single-asset/one-way","taken_at":"2026-05-04T03:02:01.234567Z","pools":[{"name":"cross:USDT","margin_mode":"cross","currency":"USDT","equity":"10000","maintenance_margin":"500.000","positions":[{"symbol":"BTC/USDT:USDT","underlying":"BTC","side":"long","contracts":"2","notional":"100000","entry_price":null,"mark_price":"50000","liquidation_price":null,"maintenance_margin":"500.000","unrealized_pnl":null,"coin_settled":false,"tiers":[{"floor":"0","cap":null,"maintenance_margin_rate":"0.0050","deduction":"0"}],"option":null}],"collateral":[{"asset":"BTC","value":"12.340","is_cut":true,"per_coin":null}],"stables":[],"has_debt":false,"reported_ratio":null,"option_equity_counts":true}],"warnings":[]},"volatilities":{"BTC":{"hourly":0.0123,"bars":5000,"assumed":false,"fallen":0.0,"risen":0.0,"beta":1.0}}}');
CREATE TABLE local_hours (
    user_id INTEGER PRIMARY KEY REFERENCES people (user_id) ON DELETE CASCADE,
    zone TEXT,
    quiet_from INTEGER CHECK (quiet_from BETWEEN 0 AND 1439),
    quiet_until INTEGER CHECK (quiet_until BETWEEN 0 AND 1439)
) STRICT;
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('vault_check','2788a4835daf85aa:03f76e068a898be9ad502c0e:076013058ab90d4c71d20706697fbf26c00a86ec2eb5039657e64563cfe25e3e8eb16e1800213904573c4ee4c451751ecb');
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
INSERT INTO "notices" VALUES(1,1,'cross:USDT',1,1,1001,1001,1,'{"label":"main","exchange":"bybit","mode":"unified/cross","reason":"worsened","at":"2026-05-04T03:02:01.234567Z","read_at":null,"grade":3,"previous":0,"pool":{"name":"cross:USDT","margin_mode":"cross","currency":"USDT","state":"ok","equity":"1000.10","maintenance_margin":"820.0820","margin_ratio":"0.8200","buffer":"180.0180","reported_ratio":null,"room":-0.012,"scenario":"BTC","cushion":1.9,"grade":3,"decided_by":"ratio and cushion","top_up":null,"close_share":null,"target":null,"afresh":null,"room_known":true},"positions":[],"cause":null,"advice":"","blind_since":null,"last_cushion":null,"warnings":[],"key_news":[],"key_expires_at":null,"terms":null,"forced":null,"others":[],"episode_worst":null,"venue_says":"","unread_because":null,"projected_from":null,"loss":null,"note":null}','2026-05-04T03:02:01.234567+00:00','pending',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE people (
    user_id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    private_chat_id INTEGER NOT NULL,
    is_member INTEGER NOT NULL DEFAULT 0 CHECK (is_member IN (0, 1)),
    unreachable_since TEXT,
    ladders TEXT
, reminders TEXT, language TEXT, client_language TEXT) STRICT;
INSERT INTO "people" VALUES(1001,'Alice',1001,0,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "people" VALUES(1002,'Bob',1002,0,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE report_times (
    user_id INTEGER PRIMARY KEY REFERENCES people (user_id) ON DELETE CASCADE,
    minute_of_day INTEGER CHECK (minute_of_day BETWEEN 0 AND 1439),
    sent_on TEXT
) STRICT;
CREATE TABLE secrets (
    account_id INTEGER NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    field TEXT NOT NULL,
    key_id TEXT NOT NULL,
    nonce BLOB NOT NULL CHECK (length(nonce) = 12),
    sealed BLOB NOT NULL,
    PRIMARY KEY (account_id, field)
) STRICT, WITHOUT ROWID;
INSERT INTO "secrets" VALUES(1,'key','2788a4835daf85aa',X'98CFFF59E467B1D97D62193B',X'D2A1223AF5E6D1EEF99AC7411325CBB0F2E4DC6A5CA472E9996EDEFD43211F67');
INSERT INTO "secrets" VALUES(1,'passphrase','2788a4835daf85aa',X'FEBA39E5B647AAD333821BA7',X'51127078D93A002C41C22CF9C615CE3FEAA8C56A9601CF2D96F549403412CF33B0');
INSERT INTO "secrets" VALUES(1,'secret','2788a4835daf85aa',X'6D4D2A84148A54D58F76B18F',X'DDC3CC87D5D58EDF0F31DF7AB74BC7556C2481E85D7A79F5E2A1B5FEB0FE2C542635DA86');
INSERT INTO "secrets" VALUES(2,'key','2788a4835daf85aa',X'EC0B03C9918876706F1FA8D8',X'474917B330E442668A94E4963AFB84F5199A6413D36D606F8A83778054FE89BC');
INSERT INTO "secrets" VALUES(2,'passphrase','2788a4835daf85aa',X'C7F109C607046FE9E258590C',X'446B849D3928B87EF911796B0A0A6D10AC8CC655BC214567EB211D477DA98D5C93');
INSERT INTO "secrets" VALUES(2,'secret','2788a4835daf85aa',X'F9658A31D78BD62CEF2552EF',X'B95BC1FFC1BC54FFE2645EDB246962FCE4967AB91FE2E6649A60573F073A994BE6D6212A');
INSERT INTO "secrets" VALUES(3,'key','2788a4835daf85aa',X'3A298D8A0484B43AEBE3753D',X'28A38E3CC22F51ABDD62A8FB6BFB8E93D5E9559E2D38F1E1363F20F8F2B3B769');
INSERT INTO "secrets" VALUES(3,'passphrase','2788a4835daf85aa',X'9654C41A3A3FBE149747DCDA',X'F812FFFD07BA15DA9C87D6C677D223195CF7641BD7571987015A4AF372085F1667');
INSERT INTO "secrets" VALUES(3,'secret','2788a4835daf85aa',X'0D4E9F53308D708245E9A01A',X'3C4FDC3DAAFAE52FA677ADE7D5CF0A49BA098E2D81F9BD17FA79B45462391EE4A06EF0EE');
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
CREATE INDEX buddy_questions_user ON buddy_questions (user_id);
CREATE INDEX buddies_buddy ON buddies (buddy_id);
CREATE INDEX accounts_due ON accounts (exchange, urgency, coalesce(next_due_at, '')) WHERE refused IS NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('history_series',1);
INSERT INTO "sqlite_sequence" VALUES('accounts',3);
INSERT INTO "sqlite_sequence" VALUES('notices',1);
COMMIT;
