BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'marginbot','m001_people','2026-11-25 04:13:22.494604+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'marginbot','m002_accounts','2026-11-25 04:13:22.495338+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'marginbot','m003_alerts','2026-11-25 04:13:22.496122+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'marginbot','m004_passport','2026-11-25 04:13:22.496682+00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'marginbot','m005_channels','2026-11-25 04:13:22.497623+00:00');
INSERT INTO "_sqlite_migrations" VALUES(6,'marginbot','m006_audit','2026-11-25 04:13:22.498276+00:00');
INSERT INTO "_sqlite_migrations" VALUES(7,'marginbot','m007_terms','2026-11-25 04:13:22.498775+00:00');
INSERT INTO "_sqlite_migrations" VALUES(8,'marginbot','m008_snapshots','2026-11-25 04:13:22.499364+00:00');
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
INSERT INTO "latest_snapshots" VALUES(1,'2026-05-04T03:02:01.234567+00:00','{"snapshot":{"exchange":"binanceusdm","mode":"single-asset/one-way","taken_at":"2026-05-04T03:02:01.234567Z","pools":[{"name":"cross:USDT","margin_mode":"cross","currency":"USDT","equity":"10000","maintenance_margin":"500.000","positions":[{"symbol":"BTC/USDT:USDT","underlying":"BTC","side":"long","contracts":"2","notional":"100000","entry_price":null,"mark_price":"50000","liquidation_price":null,"maintenance_margin":"500.000","unrealized_pnl":null,"coin_settled":false,"tiers":[{"floor":"0","cap":null,"maintenance_margin_rate":"0.0050","deduction":"0"}],"option":null}],"collateral":[{"asset":"BTC","value":"12.340","is_cut":true}],"has_debt":false,"reported_ratio":null,"option_equity_counts":true}],"warnings":[]},"volatilities":{"BTC":{"hourly":0.0123,"bars":5000,"assumed":false}}}');
CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('vault_check','2788a4835daf85aa:56ef768bca5c1d9ceb68fa48:8c540336ef6e53350fd85066b897bd059635d14f74f5dd1b7d389c41b615a2f5e2b92779a45a449faa1e9158cd284e2db4');
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
INSERT INTO "secrets" VALUES(1,'key','2788a4835daf85aa',X'83F17263C0C7C951D8F6E666',X'CBEFF5FE3A08A2211CCD80C2A302515CB0A92A92EF9A2B0AD6540BDF5ED83FC3');
INSERT INTO "secrets" VALUES(1,'passphrase','2788a4835daf85aa',X'7AD9BDE7E841532AEFC875A5',X'38AA4DAF8C269C6B846D5D3327DF98C142A780589DBF60B704B74441F1C665BD70');
INSERT INTO "secrets" VALUES(1,'secret','2788a4835daf85aa',X'9FE0D299630FFECD5BE9908A',X'01006678CBAD38179C0954223DB6705135CF07754006E2AB5C9453298F72F1CA27F4A57C');
INSERT INTO "secrets" VALUES(2,'key','2788a4835daf85aa',X'971DE89DBDDBAF78F3801018',X'F4B32EC4BEB36D06578ED28E64785F6DBF65DEE923CA86BE96FEBEFFC1F8948B');
INSERT INTO "secrets" VALUES(2,'passphrase','2788a4835daf85aa',X'72F2B6F023B6AE76C35CC3A2',X'F120FCF38BCA9CCDAA4C62804C8F7B0EE0A92499BBD9A1FF44E759E12BD676FD9B');
INSERT INTO "secrets" VALUES(2,'secret','2788a4835daf85aa',X'2456658CD05098003AB5F95C',X'8635FFCF9B7FFF8149B8625B81B46438C56218E84FF7428898D569484FF032F65E19B4C4');
INSERT INTO "secrets" VALUES(3,'key','2788a4835daf85aa',X'5D4090D70D9E38A0441FECC9',X'8C4F31FACB639B5A971B919B79D05C6C0422B57AFBFEC2036E02D34B0311F90E');
INSERT INTO "secrets" VALUES(3,'passphrase','2788a4835daf85aa',X'59FF18EA43447B2F5FCD166E',X'9727AFDBC055E2D80E7D5B9E8099E3DF29F95F59AC5A7CB363A4AFC83715ED1A3E');
INSERT INTO "secrets" VALUES(3,'secret','2788a4835daf85aa',X'90CEAA81046302B62304C164',X'44B8DCD694DCCC8B41AAE510CD42A153E5B7B9CF2B6A64540F10CC077043AF8CE9E698B8');
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
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('accounts',3);
INSERT INTO "sqlite_sequence" VALUES('notices',1);
COMMIT;
