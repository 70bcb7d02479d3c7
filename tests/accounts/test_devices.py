"""A user's own sessions, and for admins those of every user: /api/sessions and /api/users/<id>/sessions."""

import pytest
from flask.testing import FlaskClient

from alice import clock
from alice.accounts import session
from alice.accounts.device import describe
from alice.accounts.session import Session
from alice.clock import days, hours, minutes, rfc3339
from tests.accounts.acting import SentSignals, error, login, me
from tests.cast import PASSWORD, Cast
from tests.conftest import Rows

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


@pytest.fixture
def elsewhere(program: FlaskClient, cast: Cast) -> str:
    """The token of the reader's other device."""
    given = {"email": cast.reader.email, "password": PASSWORD}
    answer = program.post("/api/auth/login", json=given, headers={"User-Agent": FIREFOX})
    return answer.json["access_token"]


def sessions(client: FlaskClient, **query: object) -> list[dict]:
    return client.get("/api/sessions", query_string=query).json["sessions"]


def test_a_reader_sees_their_devices(cast: Cast, elsewhere: str, db: Rows) -> None:
    answer = cast.reader.client.get("/api/sessions").json

    assert (answer["count"], answer["next_before"]) == (2, None)
    assert {s["id"] for s in answer["sessions"]} == {
        id for (id,) in db.query("SELECT id FROM sessions WHERE user_id = ?", cast.reader.id)
    }
    (current,) = (s for s in answer["sessions"] if s["current"])
    assert current["id"] == cast.reader.session_id


def test_each_says_what_its_owner_recognises(cast: Cast, program: FlaskClient, frozen_clock: int) -> None:
    given = {"email": cast.newcomer.email, "password": PASSWORD, "remember": True}
    program.post("/api/auth/login", json=given, headers={"User-Agent": FIREFOX})

    (new,) = (s for s in sessions(cast.newcomer.client) if not s["current"])
    assert new == {
        "id": new["id"],
        "device": "Firefox on Linux",
        "ip_address": "127.0.0.1",
        "created_at": rfc3339(frozen_clock),
        "last_active_at": rfc3339(frozen_clock),
        "expires_at": rfc3339(frozen_clock + days(30)),
        "current": False,
    }


def test_the_list_is_paged_from_the_newest(cast: Cast, program: FlaskClient) -> None:
    for _ in range(4):
        login(program, cast.reader.email)

    everything = [s["id"] for s in sessions(cast.reader.client)]
    first = cast.reader.client.get("/api/sessions?limit=3").json
    rest = cast.reader.client.get(f"/api/sessions?limit=3&before={first['next_before']}").json
    assert [s["id"] for s in first["sessions"] + rest["sessions"]] == everything == sorted(everything)[::-1]
    assert rest["next_before"] is None


@pytest.fixture
def many(connection: None, cast: Cast, frozen_clock: int) -> None:
    """The newcomer is signed in on 501 more devices."""
    started = [Session.id, Session.user, Session.token_hash]
    times = [Session.created_at, Session.last_active_at, Session.expires_at]
    rows = [(f"{n:036}", cast.newcomer.id, f"{n:064}", *[frozen_clock + days(1)] * 3) for n in range(501)]
    Session.insert_many(rows, started + times).execute()


@pytest.mark.parametrize(("query", "count"), [("", 100), ("?limit=1", 1), ("?limit=500", 500)])
def test_a_page_holds_a_hundred_unless_asked_for_more_or_fewer(
    many: None, cast: Cast, query: str, count: int
) -> None:
    answer = cast.newcomer.client.get(f"/api/sessions{query}").json

    assert (answer["count"], len(answer["sessions"])) == (count, count)
    assert answer["next_before"] == answer["sessions"][-1]["id"]


def test_the_page_of_devices_shows_five_hundred_at_most(many: None, cast: Cast) -> None:
    assert cast.newcomer.browser.get("/account/devices").text.count('name="session_id"') == 500


@pytest.mark.parametrize("query", ["before=" + "0" * 37, "before=%00"])
def test_an_invalid_cursor_is_refused(cast: Cast, query: str) -> None:
    assert error(cast.reader.client.get(f"/api/sessions?{query}")) == (422, "invalid", "before")


@pytest.mark.parametrize("limit", ["0", "501", "x", "-1", "1.5"])
def test_a_page_has_a_bound(cast: Cast, limit: str) -> None:
    assert error(cast.reader.client.get(f"/api/sessions?limit={limit}")) == (422, "invalid", "limit")


def test_ended_sessions_are_not_listed(cast: Cast, program: FlaskClient, frozen_clock: int) -> None:
    login(program, cast.reader.email)
    clock.advance(hours(24))

    assert [s["current"] for s in sessions(cast.reader.client)] == [True]


def test_idle_staff_sessions_are_not_listed(
    cast: Cast, program: FlaskClient, db: Rows, frozen_clock: int
) -> None:
    login(program, cast.admin.email)
    clock.advance(minutes(60))
    db.execute("UPDATE sessions SET last_active_at = ? WHERE id = ?", clock.now(), cast.admin.session_id)

    assert len(sessions(cast.admin.client)) == 1


def test_a_reader_signs_one_device_out(cast: Cast, elsewhere: str, program: FlaskClient) -> None:
    (other,) = (s["id"] for s in sessions(cast.reader.client) if not s["current"])

    answer = cast.reader.client.delete(f"/api/sessions/{other}")

    assert (answer.status_code, "Set-Cookie" in answer.headers) == (204, False)
    assert me(program, elsewhere).status_code == 401
    assert cast.reader.client.get("/api/auth/me").status_code == 200


def test_signing_out_the_device_in_hand_is_signing_out(cast: Cast, heard: SentSignals) -> None:
    answer = cast.reader.client.delete(f"/api/sessions/{cast.reader.session_id}")

    assert answer.status_code == 204
    assert "alice_session=;" in answer.headers["Set-Cookie"]
    assert heard.names == ["signed_out"]
    assert cast.reader.client.get("/api/auth/me").status_code == 401


@pytest.mark.parametrize("whose", ["newcomer", "admin"])
def test_a_session_of_another_user_cannot_be_ended(cast: Cast, whose: str) -> None:
    victim = getattr(cast, whose)

    answer = cast.reader.client.delete(f"/api/sessions/{victim.session_id}")

    assert error(answer) == (404, "not_found", None)
    assert victim.client.get("/api/auth/me").status_code == 200


def test_signing_out_ends_no_session_of_another_user(
    connection: None, cast: Cast, heard: SentSignals
) -> None:
    session.sign_out(cast.reader.id, cast.newcomer.session_id)

    assert cast.newcomer.client.get("/api/auth/me").status_code == 200
    assert heard.names == []


@pytest.mark.parametrize("id", ["x", "0" * 36, "%27%20OR%201=1"])
def test_an_unknown_session_is_not_found(cast: Cast, id: str) -> None:
    assert error(cast.reader.client.delete(f"/api/sessions/{id}")) == (404, "not_found", None)


def test_a_reader_signs_all_others_out(
    cast: Cast, elsewhere: str, program: FlaskClient, heard: SentSignals
) -> None:
    answer = cast.reader.client.delete("/api/sessions?scope=others")

    assert answer.json == {"ended": 1}
    assert me(program, elsewhere).status_code == 401
    assert cast.reader.client.get("/api/auth/me").status_code == 200
    assert cast.newcomer.client.get("/api/auth/me").status_code == 200
    assert heard.names == []  # the reader is still here


def test_a_reader_signs_out_everywhere(
    cast: Cast, elsewhere: str, program: FlaskClient, heard: SentSignals
) -> None:
    answer = cast.reader.client.delete("/api/sessions?scope=all")

    assert answer.json == {"ended": 2}
    assert [me(program, token).status_code for token in (elsewhere, cast.reader.token)] == [401, 401]
    assert cast.newcomer.client.get("/api/auth/me").status_code == 200
    assert heard.names == ["signed_out"]


def test_a_second_sign_out_sends_no_signal(connection: None, cast: Cast, heard: SentSignals) -> None:
    session.end_all(cast.reader.id)

    assert session.sign_out_everywhere(cast.reader.id, cast.reader.session_id) == 0
    assert heard.names == []


@pytest.mark.parametrize("query", ["", "?scope=", "?scope=mine", "?all=1"])
def test_ending_many_says_which(cast: Cast, query: str) -> None:
    assert cast.reader.client.delete(f"/api/sessions{query}").status_code == 422
    assert cast.reader.client.get("/api/auth/me").status_code == 200


def test_an_admin_lists_and_ends_sessions_of_any_user(
    cast: Cast, elsewhere: str, program: FlaskClient
) -> None:
    url = f"/api/users/{cast.reader.id}/sessions"

    seen = cast.admin.client.get(url).json
    ended = cast.admin.client.delete(url).json

    assert (seen["count"], ended) == (2, {"ended": 2})
    assert [s["current"] for s in seen["sessions"]] == [False, False]
    assert [me(program, token).status_code for token in (elsewhere, cast.reader.token)] == [401, 401]
    assert cast.admin.client.get("/api/auth/me").status_code == 200


def test_an_admin_ends_one_session_of_any_user(
    cast: Cast, elsewhere: str, program: FlaskClient, heard: SentSignals
) -> None:
    answer = cast.admin.client.delete(f"/api/users/{cast.reader.id}/sessions/{cast.reader.session_id}")

    assert (answer.status_code, answer.data) == (204, b"")
    assert [me(program, token).status_code for token in (cast.reader.token, elsewhere)] == [401, 200]
    assert heard.names == []  # the reader did not wish it


def test_an_admin_ends_only_a_session_of_the_named_user(cast: Cast) -> None:
    url = f"/api/users/{cast.reader.id}/sessions/{cast.newcomer.session_id}"

    assert error(cast.admin.client.delete(url)) == (404, "not_found", None)
    assert cast.newcomer.client.get("/api/auth/me").status_code == 200


def test_only_an_admin_ends_one(cast: Cast) -> None:
    url = f"/api/users/{cast.reader.id}/sessions/{cast.reader.session_id}"
    people = (cast.reader, cast.newcomer, cast.consultant, cast.stranger, cast.nobody)

    assert [person.client.delete(url).status_code for person in people] == [403, 403, 403, 403, 401]
    assert cast.reader.client.get("/api/auth/me").status_code == 200


@pytest.mark.parametrize("method", ["get", "delete"])
def test_only_an_admin_does(cast: Cast, method: str) -> None:
    url = f"/api/users/{cast.reader.id}/sessions"
    people = (cast.reader, cast.newcomer, cast.consultant, cast.stranger, cast.nobody)

    assert [getattr(person.client, method)(url).status_code for person in people] == [403, 403, 403, 403, 401]
    assert cast.reader.client.get("/api/auth/me").status_code == 200


@pytest.mark.parametrize("method", ["get", "delete"])
@pytest.mark.parametrize("id", ["x", "0" * 36])
def test_an_unknown_user_is_not_found(cast: Cast, method: str, id: str) -> None:
    answer = getattr(cast.admin.client, method)(f"/api/users/{id}/sessions")

    assert error(answer) == (404, "not_found", None)


@pytest.mark.parametrize("id", ["x", "0" * 36])
def test_an_unknown_session_of_a_user_is_not_found(cast: Cast, id: str) -> None:
    unknown = (f"{cast.reader.id}/sessions/{id}", f"{id}/sessions/{cast.reader.session_id}")

    for path in unknown:
        assert error(cast.admin.client.delete(f"/api/users/{path}")) == (404, "not_found", None)


def test_no_list_shows_a_token_or_its_hash(cast: Cast, db: Rows) -> None:
    own, others = (
        person.client.get(url).text
        for person, url in (
            (cast.reader, "/api/sessions"),
            (cast.admin, f"/api/users/{cast.reader.id}/sessions"),
        )
    )

    for (token_hash,) in db.query("SELECT token_hash FROM sessions"):
        assert token_hash not in own + others
    assert cast.reader.token not in own + others


SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5"
CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0"


@pytest.mark.parametrize(
    ("agent", "device"),
    [
        (FIREFOX, "Firefox on Linux"),
        (f"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) {SAFARI} Safari/605.1", "Safari on macOS"),
        (f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) {SAFARI} Safari/604.1", "Safari on iPhone"),
        (f"Mozilla/5.0 (iPad; CPU OS 17_5 like Mac OS X) {SAFARI} CriOS/126.0", "Chrome on iPad"),
        (f"Mozilla/5.0 (Linux; Android 14; Pixel 8) {CHROME} Mobile Safari/537.36", "Chrome on Android"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36 Edg/126.0", "Edge on Windows"),
        (f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) {CHROME} Safari/537.36 OPR/111.0", "Opera on Windows"),
        (f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {CHROME} Safari/537.36", "Chrome on ChromeOS"),
        ("Mozilla/5.0 Firefox/128.0", "Firefox"),
        ("curl/8.5.0", "curl"),
        ("python-requests/2.32", "python-requests"),
        ("Mozilla/5.0 (Linux)", "Something on Linux"),
        ("Mozilla/5.0", "Unknown device"),
        ("<script>alert(1)</script>", "Unknown device"),
        ("\x1b[31mred", "Unknown device"),
        ("", "Unknown device"),
        (None, "Unknown device"),
    ],
)  # fmt: skip
def test_a_device_has_a_name_its_owner_knows(agent: str | None, device: str) -> None:
    assert describe(agent) == device
