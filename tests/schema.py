"""Every table of both databases, in the order in which they refer to each other."""

from alice.accounts.erasure import Erasure
from alice.accounts.session import Session
from alice.accounts.throttle import Throttle
from alice.accounts.user import User
from alice.activity.log import ActivityLog
from alice.activity.page_read import PageRead
from alice.activity.presence import ReadingPresence
from alice.activity.progress import ReadingProgress
from alice.activity.state import ReaderState
from alice.jobs import JobLease
from alice.library.book import Book
from alice.library.book_code import BookAccess, VerificationCode
from alice.library.chapter import Chapter
from alice.library.page import Page
from alice.library.section import Section
from alice.tracking.api_key import ApiKey
from alice.tracking.site import Site

ALICE_MODELS = (
    User,
    Session,
    Throttle,
    Erasure,
    Book,
    Chapter,
    Page,
    Section,
    VerificationCode,
    BookAccess,
    ActivityLog,
    ReaderState,
    ReadingPresence,
    PageRead,
    ReadingProgress,
    JobLease,
)

EVENTS_MODELS = (Site, ApiKey)

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
