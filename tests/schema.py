"""The tables and the models, in the order in which they refer to each other."""

from alice.accounts.session import Session
from alice.accounts.user import User
from alice.tracking.api_key import ApiKey
from alice.tracking.site import Site

ALICE_TABLES = (
    "users",
    "sessions",
    "throttles",
    "erasures",
    "books",
    "chapters",
    "pages",
    "sections",
    "verification_codes",
    "book_access",
    "activity_logs",
    "reader_states",
    "reading_presence",
    "page_reads",
    "reading_progress",
    "job_leases",
)

EVENTS_TABLES = (
    "sites",
    "api_keys",
    "strings",
    "visitors",
    "visits",
    "events",
    "event_ids",
    "event_properties",
    "identities",
    "sink_cursors",
    "sink_batches",
)

# Most tables have no model: their only definition is the migration.
ALICE_MODELS = (User, Session)
EVENTS_MODELS = (Site, ApiKey)
