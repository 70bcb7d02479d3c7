"""Accounts, books and activity: the tables of the backbone.

Plain SQL that never changes. Both engines run it; the words in braces differ between them.
"""

TYPES = {
    "sqlite": {
        "bigint": "INTEGER",
        "boolean": "INTEGER",
        "sequence": "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT",
        "content": "json_extract(metadata, '$.content')",
    },
    "postgresql": {
        "bigint": "BIGINT",
        "boolean": "BOOLEAN",
        "sequence": "BIGSERIAL NOT NULL PRIMARY KEY",
        "content": "CAST(metadata AS json) ->> 'content'",
    },
}

TABLES = """
CREATE TABLE users (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    email TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    first_name TEXT NOT NULL DEFAULT '',
    last_name TEXT NOT NULL DEFAULT '',
    role VARCHAR(16) NOT NULL CHECK (role IN ('reader', 'consultant', 'admin')),
    last_active_at {bigint},
    online_since {bigint},
    created_at {bigint} NOT NULL,
    updated_at {bigint} NOT NULL
);
CREATE UNIQUE INDEX idx_users_email ON users (email);
CREATE INDEX idx_users_last_active_at ON users (last_active_at);

CREATE TABLE sessions (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    user_id VARCHAR(36) NOT NULL,
    token_hash VARCHAR(64) NOT NULL,
    ip_address TEXT,
    user_agent TEXT,
    remember {boolean} NOT NULL,
    created_at {bigint} NOT NULL,
    last_active_at {bigint} NOT NULL,
    expires_at {bigint} NOT NULL,
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX idx_sessions_user_id ON sessions (user_id);
CREATE UNIQUE INDEX idx_sessions_token_hash ON sessions (token_hash);
CREATE INDEX idx_sessions_expires_at ON sessions (expires_at);

CREATE TABLE throttles (
    key TEXT NOT NULL PRIMARY KEY,
    window_started_at {bigint} NOT NULL,
    count INTEGER NOT NULL
);

CREATE TABLE erasures (
    seq {sequence},
    user_id VARCHAR(36) NOT NULL,
    erased_at {bigint} NOT NULL
);

CREATE TABLE books (
    id TEXT NOT NULL PRIMARY KEY,
    title TEXT NOT NULL,
    author TEXT NOT NULL,
    description TEXT NOT NULL,
    language TEXT NOT NULL,
    total_pages INTEGER NOT NULL,
    total_words INTEGER NOT NULL,
    created_at {bigint} NOT NULL,
    updated_at {bigint} NOT NULL
);

CREATE TABLE chapters (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    book_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    title TEXT NOT NULL,
    first_page INTEGER NOT NULL,
    FOREIGN KEY (book_id) REFERENCES books (id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX idx_chapters_book_id_number ON chapters (book_id, number);

CREATE TABLE pages (
    book_id TEXT NOT NULL,
    page_number INTEGER NOT NULL,
    chapter_id VARCHAR(36) NOT NULL,
    word_count INTEGER NOT NULL,
    PRIMARY KEY (book_id, page_number),
    FOREIGN KEY (book_id) REFERENCES books (id) ON DELETE CASCADE,
    FOREIGN KEY (chapter_id) REFERENCES chapters (id)
);

CREATE TABLE sections (
    id VARCHAR(36) NOT NULL PRIMARY KEY,
    book_id TEXT NOT NULL,
    page_number INTEGER NOT NULL,
    section_number INTEGER NOT NULL,
    content TEXT NOT NULL,
    html TEXT NOT NULL,
    word_count INTEGER NOT NULL,
    FOREIGN KEY (book_id, page_number) REFERENCES pages (book_id, page_number) ON DELETE CASCADE
);
CREATE UNIQUE INDEX idx_sections_book_id_page_number_section_number
    ON sections (book_id, page_number, section_number);

CREATE TABLE verification_codes (
    code VARCHAR(14) NOT NULL PRIMARY KEY,
    book_id TEXT NOT NULL REFERENCES books (id),
    created_at {bigint} NOT NULL,
    used_by VARCHAR(36),
    used_at {bigint},
    FOREIGN KEY (used_by) REFERENCES users (id) ON DELETE SET NULL
);

CREATE TABLE book_access (
    user_id VARCHAR(36) NOT NULL,
    book_id TEXT NOT NULL REFERENCES books (id),
    code VARCHAR(14),
    granted_at {bigint} NOT NULL,
    PRIMARY KEY (user_id, book_id),
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);

CREATE TABLE activity_logs (
    seq {sequence},
    id VARCHAR(36) NOT NULL,
    user_id VARCHAR(36) NOT NULL,
    session_id VARCHAR(36),
    activity_type VARCHAR(32) NOT NULL,
    book_id TEXT,
    page_number INTEGER,
    section_id VARCHAR(36),
    metadata TEXT,
    occurred_at {bigint} NOT NULL,
    created_at {bigint} NOT NULL,
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    FOREIGN KEY (book_id) REFERENCES books (id)
);
CREATE UNIQUE INDEX idx_activity_logs_id ON activity_logs (id);
CREATE INDEX idx_activity_logs_user_id_occurred_at_activity_type
    ON activity_logs (user_id, occurred_at, activity_type);

CREATE TABLE reader_states (
    user_id VARCHAR(36) NOT NULL PRIMARY KEY,
    book_id TEXT,
    current_page INTEGER,
    current_section_id VARCHAR(36),
    last_activity_type VARCHAR(32) NOT NULL,
    last_activity_at {bigint} NOT NULL,
    total_pages_read INTEGER NOT NULL,
    total_word_lookups INTEGER NOT NULL,
    total_ai_interactions INTEGER NOT NULL,
    status VARCHAR(8) NOT NULL CHECK (status IN ('idle', 'active', 'reading', 'stuck')),
    page_entered_at {bigint},
    page_viewed_at {bigint},
    section_viewed_at {bigint},
    previous_page INTEGER,
    page_lookups INTEGER NOT NULL,
    page_ai_questions INTEGER NOT NULL,
    page_returns INTEGER NOT NULL,
    open_help_requests INTEGER NOT NULL,
    recent_dwells TEXT NOT NULL,
    updated_at {bigint} NOT NULL,
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX idx_reader_states_last_activity_at ON reader_states (last_activity_at);
CREATE INDEX idx_reader_states_status ON reader_states (status);

CREATE TABLE reading_presence (
    user_id VARCHAR(36) NOT NULL PRIMARY KEY,
    book_id TEXT NOT NULL,
    page_number INTEGER NOT NULL,
    seen_at {bigint} NOT NULL,
    dwell_ms {bigint} NOT NULL,
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);

CREATE TABLE page_reads (
    user_id VARCHAR(36) NOT NULL,
    book_id TEXT NOT NULL,
    page_number INTEGER NOT NULL,
    first_read_at {bigint} NOT NULL,
    last_read_at {bigint} NOT NULL,
    times INTEGER NOT NULL,
    dwell_ms {bigint} NOT NULL,
    PRIMARY KEY (user_id, book_id, page_number),
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);

CREATE TABLE reading_progress (
    user_id VARCHAR(36) NOT NULL,
    book_id TEXT NOT NULL,
    last_page INTEGER NOT NULL,
    section_id VARCHAR(36),
    last_read_at {bigint} NOT NULL,
    PRIMARY KEY (user_id, book_id),
    FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    FOREIGN KEY (book_id) REFERENCES books (id) ON DELETE CASCADE
);

CREATE TABLE job_leases (
    name TEXT NOT NULL PRIMARY KEY,
    next_run_at {bigint} NOT NULL
);
"""

# The event table of the Go program as a view, under its old names, so that each activity is written once.
INTERACTIONS = """
CREATE VIEW interactions AS
SELECT
    id,
    user_id,
    CASE activity_type
        WHEN 'PAGE_VIEW' THEN 'PAGE_SYNC'
        WHEN 'SECTION_VIEW' THEN 'SECTION_SYNC'
        WHEN 'WORD_LOOKUP' THEN 'DEFINITION_LOOKUP'
        WHEN 'AI_INTERACTION' THEN 'AI_HELP'
        WHEN 'FEEDBACK' THEN 'FEEDBACK_SUBMISSION'
        ELSE activity_type
    END AS event_type,
    book_id,
    section_id,
    page_number,
    {content} AS content,
    metadata AS context,
    occurred_at AS created_at
FROM activity_logs;
"""


def up(migrator, db):
    engine = "sqlite" if db.param == "?" else "postgresql"
    for statement in (TABLES + INTERACTIONS).format(**TYPES[engine]).split(";"):
        if statement.strip():
            db.execute_sql(statement)


def down(migrator, db):
    db.execute_sql("DROP VIEW interactions")
    for table in reversed(TABLES.split("CREATE TABLE ")[1:]):
        db.execute_sql(f"DROP TABLE {table.split()[0]}")
