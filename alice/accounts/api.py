"""The JSON API of accounts: registration, sign-in, the own account and devices."""

from typing import Any, Literal

from flask import Blueprint, Response
from flask_login import current_user
from pydantic import Field

from alice.accounts import credential, identity, session, user
from alice.accounts.fields import Email, Name, NewPassword, TypedEmail, TypedPassword
from alice.accounts.session import SessionSummary
from alice.accounts.user import ADMIN
from alice.clock import rfc3339, seconds
from alice.errors import Forbidden, NotFound
from alice.web.access import public, roles
from alice.web.context import settings
from alice.web.json import respond
from alice.web.validation import Body, Query, body, query

blueprint = Blueprint("accounts_api", __name__, url_prefix="/api")


# Registration and sign-in


class Registration(Body):
    email: Email
    password: NewPassword
    first_name: Name = ""
    last_name: Name = ""


class Login(Body):
    email: TypedEmail
    password: TypedPassword
    remember: bool = False


@blueprint.post("/auth/register")
@public
def register() -> Response:
    """Register a reader, without signing in."""
    if settings().registration == "closed":
        raise Forbidden("New accounts are made by the person who runs this site.", "registration_closed")
    new = body(Registration)
    added = credential.register(new.email, new.password, identity.client(), new.first_name, new.last_name)
    return respond({"user": _person(added, is_verified=False)}, 201)


@blueprint.post("/auth/login")
@public
def login() -> Response:
    given = body(Login)
    started = credential.sign_in(given.email, given.password, identity.client(), settings(), given.remember)
    answer = {
        "access_token": started.token,
        "token_type": "bearer",
        "expires_in": (started.expires_at - started.created_at) // seconds(1),
        "expires_at": started.expires_at // seconds(1),
        "user": _person(started.user, started.is_verified),
    }
    return identity.give_cookie(respond(answer), started)


@blueprint.post("/auth/logout")
def logout() -> Response:
    session.sign_out(current_user.id, current_user.session_id)
    return identity.take_cookie(Response(status=204))


# The own account


class Renaming(Body):
    first_name: Name | None = None
    last_name: Name | None = None


class PasswordChange(Body):
    current_password: TypedPassword
    new_password: NewPassword


@blueprint.get("/auth/me")
def me() -> Response:
    who = current_user._get_current_object()
    return respond(_person(who, who.is_verified))


@blueprint.patch("/auth/me")
def rename() -> Response:
    names = body(Renaming)
    who = current_user._get_current_object()
    user.rename(who.id, names.first_name, names.last_name)
    given = {name: value for name, value in names if value is not None}
    return respond(_person(who._replace(**given), who.is_verified))


@blueprint.post("/auth/password")
def change_password() -> Response:
    """Change the password. All other sessions end."""
    given = body(PasswordChange)
    who = current_user._get_current_object()
    credential.change_password(
        who.email, who.session_id, given.current_password, given.new_password, identity.client()
    )
    return Response(status=204)


def _person(who: Any, is_verified: bool) -> dict[str, Any]:
    return {
        "id": who.id,
        "email": who.email,
        "first_name": who.first_name,
        "last_name": who.last_name,
        "role": who.role,
        "is_verified": is_verified,
    }


# Devices


class SessionList(Query):
    before: str | None = Field(None, max_length=36)
    limit: int = Field(100, ge=1, le=500)


class Scope(Query):
    scope: Literal["others", "all"]


@blueprint.get("/sessions")
def own_sessions() -> Response:
    return _devices(current_user.id)


@blueprint.delete("/sessions/<session_id>")
def end_own_session(session_id: str) -> Response:
    """End one session, which may be the current one."""
    who = current_user._get_current_object()
    if not session.end_own(who.id, session_id, who.session_id):
        raise NotFound("There is no such session.")
    answer = Response(status=204)
    return identity.take_cookie(answer) if session_id == who.session_id else answer


@blueprint.delete("/sessions")
def end_own_sessions() -> Response:
    who = current_user._get_current_object()
    if query(Scope).scope == "others":
        return respond({"ended": session.end_others(who.id, who.session_id)})
    ended = session.sign_out_everywhere(who.id, who.session_id)
    return identity.take_cookie(respond({"ended": ended}))


@blueprint.get("/users/<user_id>/sessions")
@roles(ADMIN)
def sessions_of_user(user_id: str) -> Response:
    _require_user(user_id)
    return _devices(user_id)


@blueprint.delete("/users/<user_id>/sessions")
@roles(ADMIN)
def end_sessions_of_user(user_id: str) -> Response:
    _require_user(user_id)
    return respond({"ended": session.end_all(user_id)})


@blueprint.delete("/users/<user_id>/sessions/<session_id>")
@roles(ADMIN)
def end_session_of_user(user_id: str, session_id: str) -> Response:
    if not session.end_of_user(user_id, session_id):
        raise NotFound("There is no such session.")
    return Response(status=204)


def _require_user(user_id: str) -> None:
    if not user.exists(user_id):
        raise NotFound("There is no such user.")


def _devices(user_id: str) -> Response:
    params = query(SessionList)
    found = session.of_user(user_id, settings(), params.before, params.limit)
    next_before = found[-1].id if len(found) == params.limit else None
    sessions = [_device(summary) for summary in found]
    return respond({"count": len(found), "sessions": sessions, "next_before": next_before})


def _device(summary: SessionSummary) -> dict[str, Any]:
    return {
        "id": summary.id,
        "device": summary.device,
        "ip_address": summary.ip_address,
        "created_at": rfc3339(summary.created_at),
        "last_active_at": rfc3339(summary.last_active_at),
        "expires_at": rfc3339(summary.expires_at),
        "current": summary.id == current_user.session_id,
    }
