"""A database as it is after a year: 10,000 readers, 200 of them reading now, and a long log.

What follows from the log (states, pages read, places) is folded from it by Alice's own rules; the rows go in
by plain SQL.
"""

import hashlib
import random
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from alice import clock
from alice.accounts.user import CONSULTANT, READER
from alice.activity import page_read, state, status
from alice.activity.page_read import Reads, Tally
from alice.activity.state import State
from alice.activity.types import VIEWS, Activity, ActivityType
from alice.clock import days, hours, minutes
from alice.config import Settings
from alice.engines import sqlite_path
from alice.ids import new_id
from tests import servers

READERS = 10_000
ACTIVE = 200  # of them
CONSULTANTS = 4
BOOK = "alice-in-wonderland"
WORDS = ("tortoise", "waistcoat", "treacle", "caucus-race", "hookah", "quadrille", "comfit", "antipathies")
KINDS = (
    ActivityType.PAGE_VIEW,
    ActivityType.SECTION_VIEW,
    ActivityType.WORD_LOOKUP,
    ActivityType.AI_INTERACTION,
)
HOW_OFTEN = (60, 10, 25, 5)

Sections = dict[int, list[str]]  # the ids of each page's sections


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in; `token` is what their cookie holds."""

    id: str
    session_id: str
    name: str
    role: str

    @property
    def token(self) -> str:
        return f"{self.name}-token-".ljust(43, "x")


@dataclass(frozen=True)
class Site:
    """A filled database and who is in it."""

    settings: Settings
    active: list[Person]
    consultants: list[Person]
    sections: Sections
    log_rows: int

    def wake(self) -> None:
        """Let exactly the active readers have been there just now."""
        with sqlite3.connect(sqlite_path(self.settings)) as db:
            db.executemany(
                "UPDATE users SET last_active_at = ? WHERE id = ?", [(clock.now(), p.id) for p in self.active]
            )
        db.close()


def site(settings: Settings, log_rows: int) -> Site:
    """Set up without accounts, and fill in so many rows of the log. A million take half a minute."""
    assert servers.run(settings, "setup", ALICE_DEMO="0").returncode == 0
    now = clock.now()
    people = _people(now - days(365))
    readers, consultants = people[:READERS], people[READERS:]
    db = sqlite3.connect(sqlite_path(settings))
    db.execute("PRAGMA journal_mode = OFF")
    db.execute("PRAGMA synchronous = OFF")
    db.execute("PRAGMA cache_size = -400000")
    with db:
        sections = _sections(db)
        _fill(db, readers, consultants, sections, log_rows, now)
    db.execute("PRAGMA journal_mode = WAL")
    db.close()
    return Site(settings, readers[:ACTIVE], consultants, sections, log_rows)


def _people(joined_at: int) -> list[Person]:
    names = [(f"reader-{n:05}", READER) for n in range(READERS)]
    names += [(f"consultant-{n}", CONSULTANT) for n in range(CONSULTANTS)]
    return [Person(new_id(joined_at), new_id(), name, role) for name, role in names]


def _sections(db: sqlite3.Connection) -> Sections:
    pages: Sections = {}
    for page, section in db.execute(
        "SELECT page_number, id FROM sections ORDER BY page_number, section_number"
    ):
        pages.setdefault(page, []).append(section)
    return pages


def _fill(
    db: sqlite3.Connection,
    readers: list[Person],
    consultants: list[Person],
    sections: Sections,
    log_rows: int,
    now: int,
) -> None:
    log = _Log(sections)
    _insert(db, "activity_logs", log.rows(readers, log_rows, now))
    seen = {person.id: now for person in consultants + readers[:ACTIVE]}
    for table, rows in {
        "users": (_user(person, seen.get(person.id), log) for person in readers + consultants),
        "sessions": (_session(person, now) for person in readers + consultants),
        "book_access": ((reader.id, BOOK, now - days(365)) for reader in readers),
        "reader_states": ((user_id, *state.to_row(kept)) for user_id, kept in log.states.items()),
        "page_reads": (
            _page_read(user_id, *read) for user_id, kept in log.reads.items() for read in kept.items()
        ),
        "reading_progress": ((user_id, BOOK, *place) for user_id, place in log.places.items()),
        "reading_presence": (
            (reader.id, BOOK, log.states[reader.id].current_page, now, minutes(1))
            for reader in readers[:ACTIVE]
        ),
    }.items():
        _insert(db, table, rows)


def _page_read(user_id: str, page: tuple[str, int], reads: Reads) -> tuple:
    return (user_id, *page, reads.first_read_at, reads.last_read_at, reads.times, reads.dwell_ms)


def _user(person: Person, seen_at: int | None, log: "_Log") -> tuple:
    if seen_at is None and person.id in log.states:
        seen_at = log.states[person.id].last_activity_at
    joined_at = int(person.id[:8] + person.id[9:13], 16)
    email, first_name = f"{person.name}@example.com", person.name.title()
    return (person.id, email, "!", first_name, "Example", person.role, seen_at, joined_at, joined_at)


def _session(person: Person, now: int) -> tuple:
    hashed = hashlib.sha256(person.token.encode()).hexdigest()
    return (person.session_id, person.id, hashed, True, now, now, now + days(30))


COLUMNS = {
    "activity_logs": "user_id, session_id, id, activity_type, book_id, page_number, section_id, metadata, "
    "occurred_at, created_at",
    "users": "id, email, password_hash, first_name, last_name, role, last_active_at, created_at, updated_at",
    "sessions": "id, user_id, token_hash, remember, created_at, last_active_at, expires_at",
    "book_access": "user_id, book_id, granted_at",
    "reader_states": f"user_id, {', '.join(state.COLUMNS)}",
    "page_reads": "user_id, book_id, page_number, first_read_at, last_read_at, times, dwell_ms",
    "reading_progress": "user_id, book_id, last_page, section_id, last_read_at",
    "reading_presence": "user_id, book_id, page_number, seen_at, dwell_ms",
}


def _insert(db: sqlite3.Connection, table: str, rows: Iterator[tuple]) -> None:
    marks = ", ".join("?" * len(COLUMNS[table].split(",")))
    db.executemany(f"INSERT INTO {table} ({COLUMNS[table]}) VALUES ({marks})", rows)


class _Log:
    """Makes the rows of the log and folds them, reader by reader, into what follows from them."""

    def __init__(self, sections: Sections) -> None:
        self._sections = sections
        self._random = random.Random(1865)
        self.states: dict[str, State] = {}
        self.reads: dict[str, Tally] = {}
        self.places: dict[str, tuple[int, str | None, int]] = {}

    def rows(self, readers: list[Person], count: int, now: int) -> Iterator[tuple]:
        """`count` rows without their seq, in the order of time."""
        for reader, at in _moments(readers, count, now):
            activity = self._next(reader, at)
            self._fold(reader.id, activity)
            yield (
                reader.id,
                reader.session_id,
                activity.id,
                activity.activity_type,
                activity.book_id,
                activity.page_number,
                activity.section_id,
                activity.metadata,
                at,
                at,
            )
        for user_id, kept in self.states.items():
            kept.total_pages_read = sum(1 for reads in self.reads[user_id].values() if reads.times)
            kept.status = status.implied(kept)

    def _next(self, reader: Person, at: int) -> Activity:
        """What this reader does next: mostly, turn the page."""
        kept = self.states.get(reader.id)
        page = kept.current_page if kept else 0
        (kind,) = self._random.choices(KINDS, HOW_OFTEN) if page else (ActivityType.PAGE_VIEW,)
        if kind is ActivityType.PAGE_VIEW:
            page = page % len(self._sections) + 1
        section = self._random.choice(self._sections[page]) if kind is ActivityType.SECTION_VIEW else None
        looked_up = {"word": self._random.choice(WORDS)} if kind is ActivityType.WORD_LOOKUP else None
        metadata = orjson.dumps(looked_up).decode() if looked_up else None
        return Activity(new_id(at), str(kind), at, at, BOOK, page, section, metadata)

    def _fold(self, user_id: str, activity: Activity) -> None:
        kept = self.states.setdefault(user_id, State())
        left = kept.apply(activity)
        page_read.tally([activity], [left] if left else [], into=self.reads.setdefault(user_id, {}))
        if activity.activity_type in VIEWS:
            self.places[user_id] = (activity.page_number, activity.section_id, activity.occurred_at)


def _moments(readers: list[Person], count: int, now: int) -> Iterator[tuple[Person, int]]:
    """Who did something when: a year of everybody, then two hours of those who read now."""
    today = max(count // 50, 2 * ACTIVE)
    yield from _spread(readers, count - today, now - days(365), now - hours(2))
    yield from _spread(readers[:ACTIVE], today, now - hours(2), now)


def _spread(readers: list[Person], count: int, since: int, until: int) -> Iterator[tuple[Person, int]]:
    for index in range(count):
        yield readers[index % len(readers)], since + (until - since) * index // count
