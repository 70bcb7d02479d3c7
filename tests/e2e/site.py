"""A complete Alice for browsers: made by `alice setup`, with the shipped book and registered readers."""

import itertools
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alice.config import Settings
from tests.cast import PASSWORD
from tests.servers import Server, run, serving

BOOK = "alice-in-wonderland"
CODES = 200


@dataclass(frozen=True)
class Person:
    """Somebody with an account. `token` is of a session begun over the API."""

    id: str
    first_name: str
    email: str
    password: str
    token: str


@dataclass
class Site:
    """A running Alice; what happened is read from her database."""

    server: Server
    consultant: Person
    codes: Iterator[str]
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def stranger(self) -> tuple[str, str]:
        """A first name and an unused e-mail."""
        number = next(self._numbers)
        return f"Reader{number}", f"reader{number}@example.org"

    def newcomer(self) -> Person:
        """A reader without a book."""
        name, email = self.stranger()
        new = {"email": email, "password": PASSWORD, "first_name": name}
        assert self.server.post("/api/auth/register", new).status == 201
        return sign_in(self.server, email, PASSWORD)

    def reader(self) -> Person:
        """A reader who has unlocked the book."""
        person = self.newcomer()
        entered = self.server.post("/api/books/verify", {"code": next(self.codes)}, person.token)
        assert entered.status == 200
        return person

    def rows(self, sql: str, *params: Any) -> list[tuple]:
        with closing(sqlite3.connect(self.server.data_dir / "alice.db")) as connection:
            return connection.execute(sql, params).fetchall()

    def pages_viewed(self, person: Person) -> list[int]:
        """The pages of the reader's PAGE_VIEWs, one for each, in the order of the log."""
        return [page for _, page in self.views(person)]

    def views(self, person: Person) -> list[tuple[str, int]]:
        """Id and page of each PAGE_VIEW of the reader."""
        return self.rows(
            "SELECT id, page_number FROM activity_logs "
            "WHERE user_id = ? AND activity_type = 'PAGE_VIEW' ORDER BY seq",
            person.id,
        )


def sign_in(server: Server, email: str, password: str) -> Person:
    answer = server.post("/api/auth/login", {"email": email, "password": password})
    assert answer.status == 200, answer.body
    who = answer.json["user"]
    return Person(who["id"], who["first_name"], email, password, answer.json["access_token"])


@contextmanager
def opened(data_dir: Path) -> Iterator[Site]:
    """Set Alice up in an empty folder and serve her."""
    settings = Settings(data_dir=data_dir)
    done = run(settings, "setup")
    assert done.returncode == 0, done.stderr
    password = re.search(r"consultant@example\.com\s+(\S+)", done.stdout)[1]
    codes = run(settings, "codes", "create", "--book", BOOK, "--count", str(CODES)).stdout.split()
    with serving(settings) as server:
        consultant = sign_in(server, "consultant@example.com", password)
        yield Site(server, consultant, iter(codes))
