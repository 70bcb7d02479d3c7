"""Sites, visits and the event log: the tables of tracking.

Plain SQL that never changes. Both engines run it; the words in braces differ between them.
"""

TYPES = {
    "sqlite": {
        "bigint": "INTEGER",
        "smallint": "INTEGER",
        "bytes": "BLOB",
        "double": "REAL",
        "sequence": "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT",
        "without_rowid": "WITHOUT ROWID",
    },
    "postgresql": {
        "bigint": "BIGINT",
        "smallint": "SMALLINT",
        "bytes": "BYTEA",
        "double": "DOUBLE PRECISION",
        "sequence": "BIGSERIAL NOT NULL PRIMARY KEY",
        "without_rowid": "",
    },
}

TABLES = """
CREATE TABLE sites (
    number {sequence},
    id VARCHAR(12) NOT NULL,
    domain TEXT NOT NULL,
    name TEXT NOT NULL,
    owner_id VARCHAR(36),
    origins TEXT NOT NULL,
    idle_minutes INTEGER NOT NULL,
    retention_days INTEGER,
    created_at {bigint} NOT NULL
);
CREATE UNIQUE INDEX idx_sites_id ON sites (id);
CREATE INDEX idx_sites_owner_id ON sites (owner_id);

CREATE TABLE api_keys (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    site_number {bigint} NOT NULL,
    name TEXT NOT NULL,
    key_hash VARCHAR(64) NOT NULL,
    scope VARCHAR(6) NOT NULL CHECK (scope IN ('ingest', 'read')),
    created_at {bigint} NOT NULL,
    last_used_at {bigint},
    revoked_at {bigint},
    FOREIGN KEY (site_number) REFERENCES sites (number) ON DELETE CASCADE
);
CREATE INDEX idx_api_keys_site_number ON api_keys (site_number);
CREATE UNIQUE INDEX idx_api_keys_key_hash ON api_keys (key_hash);

CREATE TABLE strings (
    number {sequence},
    text TEXT NOT NULL
);
CREATE UNIQUE INDEX idx_strings_text ON strings (text);

CREATE TABLE visitors (
    number {sequence},
    site_number {bigint} NOT NULL,
    hash {bytes} NOT NULL,
    day INTEGER,
    FOREIGN KEY (site_number) REFERENCES sites (number) ON DELETE CASCADE
);
CREATE UNIQUE INDEX idx_visitors_site_number_hash ON visitors (site_number, hash);

CREATE TABLE visits (
    number {sequence},
    site_number {bigint} NOT NULL,
    visitor_number {bigint} NOT NULL,
    dialect {smallint} NOT NULL,
    session_id TEXT,
    user_id TEXT,
    started_at {bigint} NOT NULL,
    last_at {bigint} NOT NULL,
    due_at {bigint} NOT NULL,
    closed_at {bigint},
    sequence INTEGER NOT NULL,
    page_views INTEGER NOT NULL,
    interactions INTEGER NOT NULL,
    engaged_ms INTEGER NOT NULL,
    landing_path INTEGER,
    exit_path INTEGER,
    referrer_host INTEGER,
    utm_source INTEGER,
    utm_medium INTEGER,
    utm_campaign INTEGER,
    utm_term INTEGER,
    utm_content INTEGER,
    bucket INTEGER,
    device INTEGER,
    browser INTEGER,
    os INTEGER,
    language INTEGER,
    timezone INTEGER,
    screen INTEGER,
    country INTEGER,
    country_source INTEGER,
    ab_test INTEGER,
    ab_variant INTEGER,
    is_bot {smallint} NOT NULL,
    context TEXT,
    renewed_from {bigint},
    FOREIGN KEY (site_number) REFERENCES sites (number) ON DELETE CASCADE,
    FOREIGN KEY (visitor_number) REFERENCES visitors (number) ON DELETE CASCADE
);
CREATE INDEX idx_visits_site_number_started_at ON visits (site_number, started_at);
CREATE INDEX idx_visits_visitor_number ON visits (visitor_number);
CREATE INDEX idx_visits_session_id ON visits (session_id) WHERE session_id IS NOT NULL;
CREATE INDEX idx_visits_site_number_user_id ON visits (site_number, user_id) WHERE user_id IS NOT NULL;
CREATE INDEX idx_visits_started_at ON visits (started_at) WHERE closed_at IS NULL;

CREATE TABLE events (
    seq {sequence},
    site_number INTEGER NOT NULL,
    visit_number {bigint} NOT NULL,
    sequence INTEGER NOT NULL,
    kind {smallint} NOT NULL,
    name INTEGER,
    path INTEGER,
    occurred_at {bigint} NOT NULL,
    received_at {bigint} NOT NULL,
    engaged_ms INTEGER,
    FOREIGN KEY (visit_number) REFERENCES visits (number) ON DELETE CASCADE
);
CREATE UNIQUE INDEX idx_events_visit_number_sequence ON events (visit_number, sequence);
CREATE INDEX idx_events_site_number_received_at ON events (site_number, received_at);
CREATE INDEX idx_events_site_number_path_received_at ON events (site_number, path, received_at);
CREATE INDEX idx_events_site_number_name_received_at ON events (site_number, name, received_at)
WHERE name IS NOT NULL;

CREATE TABLE event_ids (
    site_number {bigint} NOT NULL,
    id {bytes} NOT NULL,
    seq {bigint} NOT NULL,
    PRIMARY KEY (site_number, id),
    FOREIGN KEY (site_number) REFERENCES sites (number) ON DELETE CASCADE
) {without_rowid};

CREATE TABLE event_properties (
    event_seq {bigint} NOT NULL,
    key INTEGER NOT NULL,
    type {smallint} NOT NULL,
    text TEXT,
    number {double},
    PRIMARY KEY (event_seq, key),
    FOREIGN KEY (event_seq) REFERENCES events (seq) ON DELETE CASCADE
) {without_rowid};

CREATE TABLE identities (
    site_number {bigint} NOT NULL,
    user_id TEXT NOT NULL,
    visitor_number {bigint} NOT NULL,
    data TEXT NOT NULL,
    seen_at {bigint} NOT NULL,
    PRIMARY KEY (site_number, user_id, visitor_number),
    FOREIGN KEY (site_number) REFERENCES sites (number) ON DELETE CASCADE,
    FOREIGN KEY (visitor_number) REFERENCES visitors (number) ON DELETE CASCADE
);
CREATE INDEX idx_identities_visitor_number ON identities (visitor_number);

CREATE TABLE sink_cursors (
    sink TEXT NOT NULL,
    stream VARCHAR(8) NOT NULL CHECK (stream IN ('events', 'visits')),
    position {bigint} NOT NULL,
    failures INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    open_until {bigint} NOT NULL,
    stopped TEXT,
    PRIMARY KEY (sink, stream)
);

CREATE TABLE sink_batches (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    sink TEXT NOT NULL,
    stream VARCHAR(8) NOT NULL,
    first {bigint} NOT NULL,
    last {bigint} NOT NULL,
    rows INTEGER NOT NULL,
    body {bytes} NOT NULL,
    state VARCHAR(8) NOT NULL CHECK (state IN ('waiting', 'dead', 'taken')),
    attempts INTEGER NOT NULL,
    next_attempt_at {bigint} NOT NULL,
    error TEXT,
    created_at {bigint} NOT NULL
);
CREATE INDEX idx_sink_batches_sink_state ON sink_batches (sink, state);
"""


def up(migrator, db):
    engine = "sqlite" if db.param == "?" else "postgresql"
    for statement in TABLES.format(**TYPES[engine]).split(";"):
        if statement.strip():
            db.execute_sql(statement)


def down(migrator, db):
    for table in reversed(TABLES.split("CREATE TABLE ")[1:]):
        db.execute_sql(f"DROP TABLE {table.split()[0]}")
