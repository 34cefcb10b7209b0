BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'marginbot','m001_people','2026-11-25 04:14:20.648840+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'marginbot','m002_accounts','2026-11-25 04:14:20.649626+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'marginbot','m003_alerts','2026-11-25 04:14:20.650412+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'marginbot','m004_passport','2026-11-25 04:14:20.650983+00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'marginbot','m005_channels','2026-11-25 04:14:20.651821+00:00');
INSERT INTO "_sqlite_migrations" VALUES(6,'marginbot','m006_audit','2026-11-25 04:14:20.652463+00:00');
INSERT INTO "_sqlite_migrations" VALUES(7,'marginbot','m007_terms','2026-11-25 04:14:20.652983+00:00');
INSERT INTO "_sqlite_migrations" VALUES(8,'marginbot','m008_snapshots','2026-11-25 04:14:20.653650+00:00');
INSERT INTO "_sqlite_migrations" VALUES(9,'marginbot','m009_history','2026-11-25 04:14:20.654443+00:00');
INSERT INTO "_sqlite_migrations" VALUES(10,'marginbot','m010_reports','2026-11-25 04:14:20.655032+00:00');
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
INSERT INTO "latest_reports" VALUES(1,'2026-05-04T03:02:01.234567+00:00','{"exchange":"bybit","mode":"unified/cross","taken_at":"2026-05-04T03:02:01.234567Z","state":"ok","margin_ratio":"0.8200","pools":[{"name":"cross:USDT","margin_mode":"cross","currency":"USDT","state":"ok","equity":"1000.10","maintenance_margin":"820.0820","margin_ratio":"0.8200","buffer":"180.0180","reported_ratio":null,"room":-0.012,"scenario":"BTC","cushion":1.9,"grade":3,"decided_by":"ratio and cushion","top_up":null,"close_share":null,"target":null,"room_known":true}],"positions":[],"warnings":["estimated"],"coins":[]}');
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
INSERT INTO "meta" VALUES('vault_check','2788a4835daf85aa:dcb8239f2a8e637a29383360:5ccf960f07404d69062bad813cd14f67ffb8b41b769ff152b20355f83c1c7d9033649878bb16373d396cf46d2e03019419');
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
INSERT INTO "secrets" VALUES(1,'key','2788a4835daf85aa',X'0DC4C6BA48F5EDD2BF71054D',X'6AA8953F8F297FE7B1DA9D7B69F706068204640E90255CFAC6D43F24119743F6');
INSERT INTO "secrets" VALUES(1,'passphrase','2788a4835daf85aa',X'A8958B2D76977CA9B8CF8FA7',X'54B400F76C84E279C1AA3334F5792D911A75F9D11895FF17A4FBE7B742D37C2AA6');
INSERT INTO "secrets" VALUES(1,'secret','2788a4835daf85aa',X'1840466D66E2C991FA202EA5',X'D8784EB8B345E956108E26928BA73A9292C4ABA2A01A3D390C5896F0609A742363B1375C');
INSERT INTO "secrets" VALUES(2,'key','2788a4835daf85aa',X'AA509086DD1AF15FDB0472E1',X'D2F509DF4380B60DDEC97896CABB9C129F6D2C6E903A69230D6E59D3135D2AA6');
INSERT INTO "secrets" VALUES(2,'passphrase','2788a4835daf85aa',X'09B2C8AF3FEBE832CB1873B2',X'3D8DC2670124599C4F2D08E0B86E83FD19DB0C60E53CBD2F28C994FFC7D0CFE7CA');
INSERT INTO "secrets" VALUES(2,'secret','2788a4835daf85aa',X'D49F88B2358ABF93A1E59F39',X'3CA2A8132EBFBE7B474996D9C14BACAEFA385F57C493E4A4AF8DFE317874B575FEB07E7D');
INSERT INTO "secrets" VALUES(3,'key','2788a4835daf85aa',X'D88CC0DE3B798B83BE0D579B',X'9C5EB404846D278935F60C7537FB610611B5E4124EAD19A5982B23233991695B');
INSERT INTO "secrets" VALUES(3,'passphrase','2788a4835daf85aa',X'3F0CA3A183EEA364126498B5',X'D93351B4E856D64D789DFCB8ED537C31DC4CAF07DBBFB86BDA462B7F6575DADAF6');
INSERT INTO "secrets" VALUES(3,'secret','2788a4835daf85aa',X'AA8F760463E6D290981BF698',X'25D1618A0536B8E0418534A83196E72F4C87A14F489221A2C807C42016712D9C17819EDC');
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
