"""The pages of accounts: registration, sign-in, the account and its devices."""

from typing import Any, Literal

from flask import Blueprint, Response, make_response, redirect, render_template, request, url_for
from flask_login import current_user

from alice.accounts import credential, identity, session, user
from alice.accounts.fields import Email, Name, NewPassword, TypedEmail, TypedPassword
from alice.accounts.user import ADMIN, CONSULTANT, READER
from alice.errors import Forbidden, Invalid, NotFound, Refusal
from alice.web.access import public
from alice.web.answers import with_refusal
from alice.web.context import settings
from alice.web.validation import Form, form

blueprint = Blueprint("accounts_pages", __name__)

# Pages of the domains above, of which accounts knows only the paths.
HOME = {READER: "/shelf", CONSULTANT: "/consultant", ADMIN: "/consultant"}
ENTER_CODE = "/code"


# Sign-in and registration


class LoginForm(Form):
    email: TypedEmail
    password: TypedPassword
    remember: bool = False


@blueprint.get("/login")
@public
def show_login() -> Response:
    if current_user.is_authenticated:
        return redirect(_next() or HOME[current_user.role], 303)
    return _login_page()


@blueprint.post("/login")
@public
def login() -> Response:
    given = form(LoginForm)
    if isinstance(given, dict):
        return _login_page("Please enter your e-mail and your password.", 422)
    try:
        started = credential.sign_in(
            given.email, given.password, identity.client(), settings(), given.remember
        )
    except Refusal as refusal:
        return with_refusal(_login_page(refusal.message), refusal)
    return identity.give_cookie(redirect(_next() or HOME[started.user.role], 303), started)


class RegistrationForm(Form):
    email: Email
    password: NewPassword
    first_name: Name = ""
    last_name: Name = ""


@blueprint.get("/register")
@public
def show_registration() -> Response:
    if current_user.is_authenticated:
        return redirect(_next() or HOME[current_user.role], 303)
    return _registration_page({})


@blueprint.post("/register")
@public
def register() -> Response:
    """Register a reader and sign them in."""
    _require_open()
    new = form(RegistrationForm)
    if isinstance(new, dict):
        return _registration_page(new, 422)
    try:
        client = identity.client()
        added = credential.register(new.email, new.password, client, new.first_name, new.last_name)
        started = session.start(added, client, settings())
    except Refusal as refusal:
        return with_refusal(_registration_page({refusal.field or "form": refusal.message}), refusal)
    first_stop = ENTER_CODE if settings().require_book_code else HOME[started.user.role]
    return identity.give_cookie(redirect(_next() or first_stop, 303), started)


@blueprint.get("/forgot-password")
@public
def forgot_password() -> str:
    return render_template("accounts/forgot_password.html", help_contact=settings().help_contact)


@blueprint.post("/logout")
@public
def logout() -> Response:
    if current_user.is_authenticated:
        session.sign_out(current_user.id, current_user.session_id)
    return identity.take_cookie(redirect("/", 303))


def _is_open() -> bool:
    return settings().registration == "open"


def _require_open() -> None:
    if not _is_open():
        raise Forbidden(f"New accounts are made here by {settings().help_contact}.", "registration_closed")


def _login_page(error: str | None = None, status: int = 200) -> Response:
    typed = {"email": request.form.get("email", ""), "remember": "remember" in request.form}
    page = render_template(
        "accounts/login.html", form=typed, error=error, next=_next(), registration_open=_is_open()
    )
    return make_response(page, status)


def _registration_page(errors: dict[str, str], status: int = 200) -> Response:
    _require_open()
    typed = {name: request.form.get(name, "") for name in ("email", "first_name", "last_name")}
    page = render_template("accounts/register.html", form=typed, errors=errors, next=_next())
    return make_response(page, status)


# The account


class NameForm(Form):
    first_name: Name
    last_name: Name


class PasswordForm(Form):
    current_password: TypedPassword
    new_password: NewPassword


@blueprint.get("/account")
def show_account() -> Response:
    return _account_page({})


@blueprint.post("/account")
def save_account() -> Response:
    save = {"name": _save_name, "password": _save_password}.get(request.form.get("section"))
    if save is None:
        raise Invalid("section must be name or password.", "section")
    errors = save()
    if errors:
        return _account_page(errors, 422)
    return redirect(url_for(".show_account", saved=request.form["section"]), 303)


def _save_name() -> dict[str, str]:
    """Save the names; return a message for each invalid field."""
    names = form(NameForm)
    if isinstance(names, dict):
        return names
    user.rename(current_user.id, names.first_name, names.last_name)
    return {}


def _save_password() -> dict[str, str]:
    given = form(PasswordForm)
    if isinstance(given, dict):
        return given
    try:
        who, client = current_user._get_current_object(), identity.client()
        credential.change_password(
            who.email, who.session_id, given.current_password, given.new_password, client
        )
    except Invalid as refusal:
        return {refusal.field: refusal.message}
    return {}


def _account_page(errors: dict[str, str], status: int = 200) -> Response:
    who: dict[str, Any] = current_user._asdict()
    if request.form.get("section") == "name":
        who |= {name: request.form.get(name, "") for name in ("first_name", "last_name")}
    saved = request.args.get("saved")
    page = render_template("accounts/account.html", user=who, errors=errors, saved=saved)
    return make_response(page, status)


# Devices


class EndForm(Form):
    session_id: str = ""
    scope: Literal["one", "others", "all"] = "one"


@blueprint.get("/account/devices")
def show_devices() -> str:
    return render_template("accounts/devices.html", sessions=session.of_user(current_user.id, settings()))


@blueprint.post("/account/devices")
def end_devices() -> Response:
    """Sign out one device, all others, or all."""
    given = form(EndForm)
    if isinstance(given, dict):
        raise Invalid("scope must be others or all.", "scope")
    who = current_user._get_current_object()
    if given.scope == "others":
        session.end_others(who.id, who.session_id)
    elif given.scope == "all":
        session.sign_out_everywhere(who.id, who.session_id)
    elif not session.end_own(who.id, given.session_id, who.session_id):
        raise NotFound("This device is signed out already.")
    if given.scope == "all" or given.session_id == who.session_id:
        return identity.take_cookie(redirect(url_for(".show_login"), 303))
    return redirect(url_for(".show_devices"), 303)


# Redirects


def local_path(text: str | None) -> str | None:
    """The text if it is a path of this site, else None.

    Browsers take a backslash for a slash, drop control characters, and read `//host` as another site.
    """
    if not text or not text.startswith("/") or text.startswith("//"):
        return None
    return None if "\\" in text or not text.isprintable() else text


def _next() -> str | None:
    return local_path(request.values.get("next"))
