BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'marginbot','m001_people','2026-11-25 17:13:32.758891+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'marginbot','m002_accounts','2026-11-25 17:13:32.759728+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'marginbot','m003_alerts','2026-11-25 17:13:32.760655+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'marginbot','m004_passport','2026-11-25 17:13:32.761363+00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'marginbot','m005_channels','2026-11-25 17:13:32.762238+00:00');
INSERT INTO "_sqlite_migrations" VALUES(6,'marginbot','m006_audit','2026-11-25 17:13:32.763036+00:00');
INSERT INTO "_sqlite_migrations" VALUES(7,'marginbot','m007_terms','2026-11-25 17:13:32.763636+00:00');
INSERT INTO "_sqlite_migrations" VALUES(8,'marginbot','m008_snapshots','2026-11-25 17:13:32.764246+00:00');
INSERT INTO "_sqlite_migrations" VALUES(9,'marginbot','m009_history','2026-11-25 17:13:32.765123+00:00');
INSERT INTO "_sqlite_migrations" VALUES(10,'marginbot','m010_reports','2026-11-25 17:13:32.765895+00:00');
INSERT INTO "_sqlite_migrations" VALUES(11,'marginbot','m011_reminders','2026-11-25 17:13:32.766634+00:00');
INSERT INTO "_sqlite_migrations" VALUES(12,'marginbot','m012_buddies','2026-11-25 17:13:32.767277+00:00');
INSERT INTO "_sqlite_migrations" VALUES(13,'marginbot','m013_local_hours','2026-11-25 17:13:32.768117+00:00');
INSERT INTO "_sqlite_migrations" VALUES(14,'marginbot','m014_due','2026-11-25 17:13:32.768913+00:00');
INSERT INTO "_sqlite_migrations" VALUES(15,'marginbot','m015_languages','2026-11-25 17:13:32.769990+00:00');
INSERT INTO "_sqlite_migrations" VALUES(16,'marginbot','m016_boards','2026-11-25 17:13:32.770583+00:00');
INSERT INTO "_sqlite_migrations" VALUES(17,'marginbot','m017_chart_theme','2026-11-25 17:13:32.771392+00:00');
INSERT INTO "_sqlite_migrations" VALUES(18,'marginbot','m018_dialogues','2026-11-25 17:13:32.771939+00:00');
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
CREATE TABLE dialogues (
    user_id INTEGER PRIMARY KEY REFERENCES people (user_id) ON DELETE CASCADE,
    exchange TEXT NOT NULL,
    label TEXT,
    touched_at TEXT NOT NULL
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
INSERT INTO "latest_reports" VALUES(1,'2026-05-04T03:02:01.234567+00:00','{"exchange":"bybit","mode":"unified/cross","taken_at":"2026-05-04T03:02:01.234567Z","state":"ok","margin_ratio":"0.8200","pools":[{"name":"cross:USDT","margin_mode":"cross","currency":"USDT","state":"ok","equity":"1000.10","maintenance_margin":"820.0820","margin_ratio":"0.8200","buffer":"180.0180","reported_ratio":null,"room":-0.012,"scenario":"BTC","cushion":1.9,"grade":3,"decided_by":"ratio and cushion","top_up":null,"close_share":null,"target":null,"afresh":null,"room_known":true}],"positions":[],"warnings":["estimated"],"coins":[],"carried_from":null}');
CREATE TABLE latest_snapshots (
    account_id INTEGER PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    taken_at TEXT NOT NULL,
    reading TEXT NOT NULL
) STRICT;
INSERT INTO "latest_snapshots" VALUES(1,'2026-05-04T03:02:01.234567+00:00','{"snapshot":{"exchange":"binanceusdm","mode":"single-asset/one-way","taken_at":"2026-05-04T03:02:01.234567Z","pools":[{"name":"cross:USDT","margin_mode":"cross","currency":"USDT","equity":"10000","maintenance_margin":"500.000","positions":[{"symbol":"BTC/USDT:USDT","underlying":"BTC","side":"long","contracts":"2","notional":"100000","entry_price":null,"mark_price":"50000","liquidation_price":null,"maintenance_margin":"500.000","unrealized_pnl":null,"coin_settled":false,"tiers":[{"floor":"0","cap":null,"maintenance_margin_rate":"0.0050","deduction":"0"}],"option":null}],"collateral":[{"asset":"BTC","value":"12.340","is_cut":true,"per_coin":null}],"stables":[],"has_debt":false,"reported_ratio":null,"option_equity_counts":true}],"warnings":[],"carried_from":null},"volatilities":{"BTC":{"hourly":0.0123,"bars":5000,"assumed":false,"fallen":0.0,"risen":0.0,"beta":1.0}}}');
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
INSERT INTO "meta" VALUES('vault_check','2788a4835daf85aa:91ce356b936a2d92e2f433c9:86705c10bbd2696b768d9134e0e5fb7370ac32e90402686c8d3e6b5a5e9ae7b331bcb20d3110a842a155a539a0dc3b36b5');
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
, reminders TEXT, language TEXT, client_language TEXT, chart_theme TEXT CHECK (chart_theme IN ('dark', 'light'))) STRICT;
INSERT INTO "people" VALUES(1001,'Alice',1001,0,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "people" VALUES(1002,'Bob',1002,0,NULL,NULL,NULL,NULL,NULL,NULL);
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
INSERT INTO "secrets" VALUES(1,'key','2788a4835daf85aa',X'9865CC36DDA4309BFE6101D3',X'203C4646155B364EDC0EC2A427E5926495FC4D2F50437490D8884E0A5807B1DF');
INSERT INTO "secrets" VALUES(1,'passphrase','2788a4835daf85aa',X'AB055C2F1AE94EEC4DB326AF',X'765CBA8880E66760F94FE2342385BB8A7F3EB52F1BD30B14BDA3631E07BFA6956F');
INSERT INTO "secrets" VALUES(1,'secret','2788a4835daf85aa',X'68E57D73CCDF1DC22AFDFFB7',X'A2AE103A1BBEBF8C6AF3AD8D794AEEE1F8F893443CD76747C10E265D14228925DF104714');
INSERT INTO "secrets" VALUES(2,'key','2788a4835daf85aa',X'081E79C05C2EEE9AE9DE192A',X'8C63CB445C951242C012C29F3ED00E02E9EC160908A9BB08D2F44970B2590E2D');
INSERT INTO "secrets" VALUES(2,'passphrase','2788a4835daf85aa',X'CE3FFBCEB7B6843E95F8A8ED',X'243DC9682480D6D1D48028C88EDC1F2511A72E9CABA3B18916377C011A8F9E7094');
INSERT INTO "secrets" VALUES(2,'secret','2788a4835daf85aa',X'A0758D3720AC67A83F0560CD',X'4770DE93A98ED6821CB10C2F8561D2BFDEEE26F8D33D081E733B23A9D87CD9EA06A124A2');
INSERT INTO "secrets" VALUES(3,'key','2788a4835daf85aa',X'9A41187AA778E8A240DC49B4',X'B891ACD61E4125A5DF3A47F3BF43B44339CFC0CDF755C7FAF8D8EFB75EF6DFBB');
INSERT INTO "secrets" VALUES(3,'passphrase','2788a4835daf85aa',X'393B85FCCE0AFF144E8982B9',X'B0ED3E31CA5D6A320B71EC63D648771625B128A46DD54700934D329C433575AE96');
INSERT INTO "secrets" VALUES(3,'secret','2788a4835daf85aa',X'85E190A5E40809AD44F1AAE5',X'64600C84A9DF912E58FCA0564F1880033C8171EEC7CD4BE0AC06999DE8726ADDFFFE0A1C');
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
CREATE INDEX boards_user ON boards (user_id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('history_series',1);
INSERT INTO "sqlite_sequence" VALUES('accounts',3);
INSERT INTO "sqlite_sequence" VALUES('notices',1);
COMMIT;
