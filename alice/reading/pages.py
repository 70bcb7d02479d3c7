"""The reader's pages: the landing page, the shelf, unlocking a book and its pages."""

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask_login import current_user
from pydantic import Field

from alice import clock
from alice.accounts.user import READER
from alice.activity import log, progress
from alice.activity.types import Activity, ActivityType
from alice.errors import Invalid, NotFound, Refusal
from alice.ids import new_id
from alice.library import access, book, book_code, page
from alice.library.access import BookAccess
from alice.library.book_code import TypedCode
from alice.web.access import public, roles
from alice.web.answers import with_refusal
from alice.web.context import alice, settings
from alice.web.validation import Form, form

blueprint = Blueprint("reading_pages", __name__)


@blueprint.get("/")
@public
def landing() -> Response | str:
    """What Alice is. Signed-in users are redirected: staff to the dashboard, readers to the shelf."""
    if current_user.is_staff:
        return redirect("/consultant", 303)
    if current_user.is_authenticated:
        return redirect(url_for(".shelf"), 303)
    return render_template(
        "landing.html", book=book.first(), registration_open=settings().registration == "open"
    )


@blueprint.get("/shelf")
def shelf() -> str:
    """The books, each with the page where the reader left it."""
    books = book.shelf(*_who())
    places = progress.places(current_user.id)
    return render_template(
        "reading/shelf.html",
        books=[shown | {"last_page": places.get(shown["id"])} for shown in books],
        needs_code=any(not shown["unlocked"] for shown in books),
    )


class CodeForm(Form):
    code: TypedCode


@blueprint.get("/code")
@roles(READER)
def show_code() -> Response:
    return _code_page()


@blueprint.post("/code")
@roles(READER)
def enter_code() -> Response:
    typed = form(CodeForm)
    if isinstance(typed, dict):
        return _code_page("Please enter the code from your copy.", 422)
    try:
        book_id = book_code.redeem(current_user.id, current_user.session_id, typed.code)
    except Refusal as refusal:
        return with_refusal(_code_page(refusal.message), refusal)
    return redirect(url_for(".resume", book_id=book_id), 303)


def _code_page(error: str | None = None, status: int = 200) -> Response:
    typed = {"code": request.form.get("code", "")}
    return make_response(render_template("reading/code.html", form=typed, error=error), status)


@blueprint.get("/read/<book_id>")
def resume(book_id: str) -> Response:
    """Redirect to the page where the reader left the book, on any device."""
    opened = _open(book_id)
    page_number = min(progress.places(current_user.id).get(book_id, 1), opened.total_pages)
    return redirect(url_for(".read", book_id=book_id, page_number=page_number), 303)


@blueprint.get("/read/<book_id>/<int:page_number>")
def read(book_id: str, page_number: int) -> str:
    """A page of the book. Logs nothing: the page's script reports the view once it was in view."""
    opened = _open(book_id)
    found = page.load(book_id, page_number) if 1 <= page_number <= opened.total_pages else None
    if found is None:
        raise NotFound(f"This book has pages 1 to {opened.total_pages}.")
    percent = round(100 * found.page_number / found.total_pages)
    return render_template("reading/page.html", view_id=new_id(), page=found, progress_percent=percent)


class Turn(Form):
    page_number: int = Field(ge=1, le=1_000_000)


@blueprint.post("/read/<book_id>/turn")
def turn(book_id: str) -> Response:
    """Turn to a page without JavaScript: logs the view and goes there."""
    opened = _open(book_id)
    wanted = form(Turn)
    if isinstance(wanted, dict) or wanted.page_number > opened.total_pages:
        raise Invalid(f"This book has pages 1 to {opened.total_pages}.", "page_number")
    if current_user.role == READER:
        _log_view(book_id, wanted.page_number)
    return redirect(url_for(".read", book_id=book_id, page_number=wanted.page_number), 303)


def _open(book_id: str) -> BookAccess:
    return access.require(*_who(), book_id)


def _who() -> tuple[str, bool]:
    """The user's id, and whether they open every book without a code."""
    return current_user.id, access.opens_all(current_user.role, settings().require_book_code)


def _log_view(book_id: str, page_number: int) -> None:
    now = clock.now()
    view = Activity(new_id(now), ActivityType.PAGE_VIEW, now, now, book_id, page_number)
    user_id, session_id = current_user.id, current_user.session_id
    alice().recorder.submit(lambda db: log.append(db, user_id, session_id, [view]))
