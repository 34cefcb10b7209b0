BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'marginbot','m001_people','2026-11-25 04:13:19.389916+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'marginbot','m002_accounts','2026-11-25 04:13:19.390595+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'marginbot','m003_alerts','2026-11-25 04:13:19.391344+00:00');
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
CREATE TABLE invites (
    code_hash TEXT PRIMARY KEY,
    created_by INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    used_by INTEGER,
    used_at TEXT,
    CHECK ((used_by IS NULL) = (used_at IS NULL))
) STRICT, WITHOUT ROWID;
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
INSERT INTO "meta" VALUES('vault_check','2788a4835daf85aa:0b1cacc1dad25a6425a16223:ea1d3735ccecf9629eafa3cd1dbdb34193a0ef2cf36e9d698ecdfbedeeac44d53d5b2711e6da41cadc409a5a8d78693ac3');
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
INSERT INTO "notices" VALUES(1,1,'cross:USDT',1,1,1001,1001,1,'{"label":"main","exchange":"bybit","mode":"unified/cross","reason":"worsened","at":"2026-05-04T03:02:01.234567Z","grade":3,"previous":0,"pool":{"name":"cross:USDT","margin_mode":"cross","currency":"USDT","state":"ok","equity":"1000.10","maintenance_margin":"820.0820","margin_ratio":"0.8200","buffer":"180.0180","reported_ratio":null,"room":-0.012,"scenario":"BTC","cushion":1.9,"grade":3,"decided_by":"ratio and cushion","top_up":null,"close_share":null,"target":null},"positions":[],"cause":null,"advice":"","blind_since":null,"last_cushion":null,"warnings":[]}','2026-05-04T03:02:01.234567+00:00','pending',0,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
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
INSERT INTO "secrets" VALUES(1,'key','2788a4835daf85aa',X'581F66257D71FF94751D5182',X'B4CCFFF38AAFAFA19059DE14231A12140E9FA727DBA195616D6E92AF2A5D8533');
INSERT INTO "secrets" VALUES(1,'passphrase','2788a4835daf85aa',X'68CD8CAA83C7B8B7DBD863FB',X'AC2DED283E5A133C77AE90B72ABE2D9C7174D0FF0933392B3AF3B0ABF280C9C085');
INSERT INTO "secrets" VALUES(1,'secret','2788a4835daf85aa',X'86F341FF40C60CB84813DE02',X'600DDBC1CB89B02556CDA35F4C11D2D5C82C67ACE9F34B8C17350E46CCA62493DF7BA41F');
INSERT INTO "secrets" VALUES(2,'key','2788a4835daf85aa',X'174CF264529E934C9FA45245',X'A78747CF8157726CA7682FC59BEAF6D527AED1C67FCB100E2AAC1F5765D5E483');
INSERT INTO "secrets" VALUES(2,'passphrase','2788a4835daf85aa',X'93665EB3B3EB8B0D6B75FA2E',X'147DA5F6EE46676C49604A38B3B8C15CB98EE0034717947A439EB55E93CCFE7AD7');
INSERT INTO "secrets" VALUES(2,'secret','2788a4835daf85aa',X'9C50C081BFBE471521223F23',X'579DDE217745EF4251552A27EC30E2DDE2E2CAC9F7AD364F7104DE2A43F05B428A211E66');
INSERT INTO "secrets" VALUES(3,'key','2788a4835daf85aa',X'AF4AF6057563F63C94B326A1',X'A96BB6C42A754BFE6ED79EAE60BAFD0E7F687879E044539929CC913CFF739102');
INSERT INTO "secrets" VALUES(3,'passphrase','2788a4835daf85aa',X'32A8C925882F8453F85C3BD9',X'A39A630B8F90264B6D01A954E0E7FB05CCD7E458DFF1792618A68EF6996A36162F');
INSERT INTO "secrets" VALUES(3,'secret','2788a4835daf85aa',X'E635FC3CB79DBED1632BD8B9',X'1D7591F7F41C21F53DD13F77DC8AC6599ACEC6D5599D7FD25862ECAE727C0B164E072691');
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
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('accounts',3);
INSERT INTO "sqlite_sequence" VALUES('notices',1);
COMMIT;
