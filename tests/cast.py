"""The cast: the people of the tests, their book and their codes; the same in every test."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field

from flask import Flask
from flask.testing import FlaskClient

from alice.accounts.user import ADMIN, CONSULTANT, READER
from alice.ids import new_id

PASSWORD = "curiouser and curiouser"
BOOK = "tea-party"
LOCKED_BOOK = "looking-glass"
PAGES = 8
CODE, OTHER_CODE = "2222-3333-4444", "5555-6666-7777"


@dataclass
class Person:
    """A member of the cast. `client` and `browser` are signed in, unless the person has no role."""

    name: str
    role: str | None = None
    id: str = field(default_factory=new_id)
    app: Flask | None = None

    @property
    def email(self) -> str:
        return f"{self.name}@example.com"

    @property
    def password(self) -> str:
        return PASSWORD

    @property
    def token(self) -> str:
        return f"{self.name}-token-".ljust(43, "x")

    @property
    def session_id(self) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, self.name))

    @property
    def client(self) -> FlaskClient:
        client = self.app.test_client(use_cookies=False)
        if self.role:
            client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {self.token}"
        return client

    @property
    def browser(self) -> FlaskClient:
        """A client that sends the session cookie and Origin, as browsers do."""
        client = self.app.test_client()
        if self.role:
            client.set_cookie("alice_session", self.token)
        client.environ_base["HTTP_ORIGIN"] = "http://localhost"
        return client


class Cast:
    """reader has BOOK, newcomer no book; consultant and stranger are consultants; nobody has no account."""

    def __init__(self) -> None:
        self.reader = Person("reader", READER)
        self.newcomer = Person("newcomer", READER)
        self.consultant = Person("consultant", CONSULTANT)
        self.stranger = Person("stranger", CONSULTANT)
        self.admin = Person("admin", ADMIN)
        self.nobody = Person("nobody")

    def __iter__(self) -> Iterator[Person]:
        yield from vars(self).values()


CAST = Cast()
