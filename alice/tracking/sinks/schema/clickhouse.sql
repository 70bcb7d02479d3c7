-- What Alice copies to ClickHouse 22.2 or newer. To make the tables, in the database that ALICE_CLICKHOUSE_URL
-- names: `clickhouse-client --multiquery < clickhouse.sql`. A row that arrives twice is replaced by itself when
-- parts are merged, and until then FINAL hides it. Sites stand first in the keys, since reports are about one
-- site. Events are kept for 90 days, whole months at a time, and visits for ever.

CREATE TABLE IF NOT EXISTS events_v1 (
    timestamp DateTime64(3, 'UTC'),
    received_at DateTime64(3, 'UTC'),
    id String,
    seq UInt64,
    event_id String,
    event_type LowCardinality(String),
    event_value Float64,
    event_value_currency LowCardinality(String),
    event_value_type LowCardinality(String),
    event_placement LowCardinality(String),
    visit_id String,
    session_id String,
    session_event_sequence UInt32,
    user_id String,
    project_id String,
    workspace_id String,
    campaign_id String,
    landing_page_id String,
    attribution_id Nullable(String),
    segment_id Nullable(String),
    ab_test_id Nullable(String),
    ab_test_variant_id Nullable(String),
    form_id Nullable(String),
    clicked_element Nullable(String),
    clicked_url Nullable(String),
    page_load_time Nullable(Float32),
    dom_ready_time Nullable(Float32),
    scroll_percentage Nullable(UInt8),
    time_on_page Nullable(UInt32),
    viewport_width Nullable(UInt16),
    viewport_height Nullable(UInt16),
    metadata Nullable(String),
    environment LowCardinality(String),
    campaign_environment LowCardinality(String),
    page_url String,
    referrer_url Nullable(String),
    is_bot UInt8
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(timestamp)
ORDER BY (project_id, timestamp, id)
TTL toDateTime(timestamp) + INTERVAL 90 DAY
SETTINGS non_replicated_deduplication_window = 10000, ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS session_v1 (
    timestamp DateTime64(3, 'UTC'),
    seq UInt64,
    visit_id String,
    session_id String,
    user_id String,
    project_id String,
    workspace_id String,
    campaign_id String,
    landing_page_id Nullable(String),
    segment_id Nullable(String),
    ab_test_id Nullable(String),
    ab_test_variant_id Nullable(String),
    utm_source Nullable(String),
    utm_medium Nullable(String),
    utm_campaign Nullable(String),
    utm_term Nullable(String),
    utm_content Nullable(String),
    ref Nullable(String),
    source Nullable(String),
    bucket String,
    country LowCardinality(String),
    continent LowCardinality(String),
    city String,
    region String,
    region_code Nullable(String),
    timezone Nullable(String),
    is_eu_country UInt8,
    device_type LowCardinality(String),
    device_os LowCardinality(String),
    browser LowCardinality(String),
    browser_version Nullable(String),
    connection_type LowCardinality(String),
    is_mobile UInt8,
    referrer Nullable(String),
    language Nullable(String),
    user_agent String,
    bot_score Float32,
    is_bot UInt8,
    is_verified_bot UInt8,
    is_corporate_proxy UInt8,
    is_ssl UInt8,
    domain_type Nullable(String),
    user_hostname Nullable(String),
    is_returning UInt8,
    environment Nullable(String),
    campaign_environment LowCardinality(String),
    uri Nullable(String)
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(timestamp)
ORDER BY (project_id, timestamp, visit_id)
SETTINGS non_replicated_deduplication_window = 10000;
