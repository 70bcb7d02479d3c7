"""Books as JSON: the list, one with its chapters, a page with its sections, and unlocking one."""

from flask import Blueprint, Response
from flask_login import current_user

from alice.accounts.user import READER
from alice.errors import NotFound
from alice.library import access, book, book_code, page
from alice.library.book_code import TypedCode
from alice.web.access import roles
from alice.web.context import settings
from alice.web.json import respond
from alice.web.validation import Body, body

blueprint = Blueprint("library_api", __name__, url_prefix="/api/books")


@blueprint.get("")
def books() -> Response:
    shown = book.shelf(*_who())
    return respond({"books": shown, "count": len(shown)})


@blueprint.get("/<book_id>")
def one_book(book_id: str) -> Response:
    found = book.find(*_who(), book_id)
    if found is None:
        raise NotFound("There is no such book.")
    return respond(found | {"chapters": book.chapters(book_id)})


@blueprint.get("/<book_id>/pages/<int:page_number>")
def one_page(book_id: str, page_number: int) -> Response:
    total_pages = access.require(*_who(), book_id).total_pages
    found = page.load(book_id, page_number) if page_number <= total_pages else None
    if found is None:
        raise NotFound(f"This book has pages 1 to {total_pages}.")
    return respond(_page(found))


class Code(Body):
    code: TypedCode


@blueprint.post("/verify")
@roles(READER)
def verify() -> Response:
    book_id = book_code.redeem(current_user.id, current_user.session_id, body(Code).code)
    return respond({"valid": True, "book_id": book_id})


def _page(found: page.OpenPage) -> dict[str, object]:
    return {
        "book_id": found.book_id,
        "page_number": found.page_number,
        "total_pages": found.total_pages,
        "word_count": found.word_count,
        "chapter": {"number": found.chapter_number, "title": found.chapter_title},
        "previous": found.previous,
        "next": found.next,
        "sections": [section._asdict() for section in found.sections],
    }


def _who() -> tuple[str, bool]:
    """The user's id, and whether they open every book without a code."""
    return current_user.id, access.opens_all(current_user.role, settings().require_book_code)
