"""The tables of alice.db, and the models, in the order in which they refer to each other."""

from alice.accounts.session import Session
from alice.accounts.user import User
from alice.tracking.api_key import ApiKey
from alice.tracking.log.event import Event, EventId
from alice.tracking.log.event_property import EventProperty
from alice.tracking.log.identity import Identity
from alice.tracking.log.strings import Text
from alice.tracking.log.visit import Visit
from alice.tracking.log.visitor import Visitor
from alice.tracking.sinks.delivery import SinkBatch, SinkCursor
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

# Most tables have no model: their only definition is the migration.
ALICE_MODELS = (User, Session)

EVENTS_MODELS = (
    Site,
    ApiKey,
    Text,
    Visitor,
    Visit,
    Event,
    EventId,
    EventProperty,
    Identity,
    SinkCursor,
    SinkBatch,
)
