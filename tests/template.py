"""The database that tests copy: migrated, with the cast, a bystander and two small books in it."""

import hashlib

from alice import clock, database, migrations
from alice.accounts import password
from alice.accounts.session import Session
from alice.accounts.user import User
from alice.clock import days
from alice.config import Settings
from alice.ids import new_id
from tests import bystander
from tests.bystander import insert
from tests.cast import BOOK, CAST, CODE, LOCKED_BOOK, OTHER_CODE, PAGES, PASSWORD
from tests.schema import ALICE_TABLES, EVENTS_TABLES

# How PostgreSQL restores the database between two tests.
_EVENTS_TABLES = [f"tracking.{table}" for table in EVENTS_TABLES]
_KEPT = {table: f"pristine.{table.rpartition('.')[2]}" for table in [*ALICE_TABLES, *_EVENTS_TABLES]}
KEEP = ["CREATE SCHEMA pristine"] + [f"CREATE TABLE {kept} AS TABLE {t}" for t, kept in _KEPT.items()]
# Not TRUNCATE: it creates new files, and PostgreSQL waits until they are on the disk.
RESTORE = [f"DELETE FROM {table}" for table in reversed(_KEPT)] + [
    f"INSERT INTO {table} SELECT * FROM {kept}" for table, kept in _KEPT.items()
]


def fill(settings: Settings) -> None:
    database.bind(settings)
    migrations.migrate(settings)
    hashed = password.hash_password(PASSWORD)
    with database.connected(), database.transaction():
        _add_book(BOOK, "A Mad Tea-Party")
        _add_book(LOCKED_BOOK, "Through the Looking-Glass")
        _add_people(hashed)
        bystander.add(BOOK, hashed)
    with database.connected():
        bystander.read(BOOK)
    with database.connected(database.events_db), database.transaction(database.events_db):
        bystander.add_site()


def _add_people(hashed: str) -> None:
    now = clock.now()
    for person in CAST:
        if person.role is None:
            continue
        User.create(
            id=person.id,
            email=person.email,
            password_hash=hashed,
            role=person.role,
            first_name=person.name.title(),
            last_name="Example",
            created_at=now,
            updated_at=now,
        )
        Session.create(
            id=person.session_id,
            user=person.id,
            token_hash=hashlib.sha256(person.token.encode()).hexdigest(),
            ip_address="192.0.2.7",
            user_agent="tests",
            created_at=now,
            last_active_at=now,
            expires_at=now + days(400),
        )
    insert(database.execute, "book_access", user_id=CAST.reader.id, book_id=BOOK, granted_at=now)
    for code in (CODE, OTHER_CODE):
        insert(database.execute, "verification_codes", code=code, book_id=BOOK, created_at=now)


def _add_book(slug: str, title: str) -> None:
    """Add a book of two chapters, with four pages per chapter and three sections per page."""
    now = clock.now()
    insert(
        database.execute,
        "books",
        id=slug,
        title=title,
        author="Lewis Carroll",
        description="For tests.",
        language="en",
        total_pages=PAGES,
        total_words=PAGES * 3 * 4,
        created_at=now,
        updated_at=now,
    )
    chapters = [new_id(), new_id()]
    for index, chapter in enumerate(chapters):
        insert(
            database.execute,
            "chapters",
            id=chapter,
            book_id=slug,
            number=1 + index,
            title=f"Chapter {1 + index}",
            first_page=1 + 4 * index,
        )
    for number in range(1, PAGES + 1):
        page = {"book_id": slug, "page_number": number}
        insert(database.execute, "pages", **page, chapter_id=chapters[(number - 1) // 4], word_count=12)
        for section in range(1, 4):
            text = f"Page {number} section {section}."
            insert(
                database.execute,
                "sections",
                **page,
                id=new_id(),
                section_number=section,
                content=text,
                html=f"<p>{text}</p>",
                word_count=4,
            )
