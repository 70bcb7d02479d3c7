"""API keys: what each gives access to, and that only hashes are stored."""

from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from alice import clock
from alice.clock import minutes
from alice.config import Settings
from alice.tracking.api_key import SCOPES, KeyAccess, KeySummary
from alice.tracking.pipeline import Tracking
from alice.tracking.site import SiteRow
from tests.cast import Cast
from tests.conftest import EventRows
from tests.tracking.calling import api_key
from tests.tracking.calling import site as sites

MOVEMENT = {"userId": "hatter", "sessionId": "tab-1", "event": "click"}
UNAUTHORIZED = {"error": "Unauthorized", "code": "AUTH_REQUIRED"}


@pytest.fixture
def program(app: Flask) -> FlaskClient:
    return app.test_client(use_cookies=False)


def by_header(key: str) -> dict[str, str]:
    return {"X-API-Key": key}


def by_bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


both_ways = pytest.mark.parametrize("way", [by_header, by_bearer])


def send(program: FlaskClient, headers: dict[str, str]) -> Any:
    return program.post("/api/track", json=MOVEMENT, headers=headers)


def read(program: FlaskClient, headers: dict[str, str], user_id: str = "hatter") -> Any:
    return program.get("/api/track/analytics", query_string={"userId": user_id}, headers=headers)


@both_ways
def test_a_key_sends_or_reads_for_any_user_of_its_site(program: FlaskClient, site: SiteRow, way: Any) -> None:
    ingest = api_key.create(site.number, "ingest", "server").key
    reads = api_key.create(site.number, "read", "auditor").key

    assert send(program, way(ingest)).status_code == 200
    assert read(program, way(reads)).json["totalSessions"] == 1


@both_ways
def test_a_key_is_for_its_scope_only(program: FlaskClient, site: SiteRow, way: Any) -> None:
    ingest = api_key.create(site.number, "ingest", "server").key
    reads = api_key.create(site.number, "read", "auditor").key

    for answer, scope in ((send(program, way(reads)), "read"), (read(program, way(ingest)), "ingest")):
        assert (answer.status_code, answer.json) == (
            403,
            {"error": f"This key is for scope {scope} only."},
        )


def test_a_key_sees_its_own_site_only(program: FlaskClient, site: SiteRow) -> None:
    other = sites.create("elsewhere.example", "Elsewhere", owner_id=None)
    send(program, by_header(api_key.create(site.number, "ingest", "server").key))
    reads = api_key.create(other.number, "read", "auditor").key

    assert read(program, by_header(reads)).json["movements"] == []


@pytest.mark.engine("sqlite")  # nothing is looked up
@both_ways
@pytest.mark.parametrize("key", ["", "x", "F" * 64, "0" * 63 + "\u00e9", "' OR 1=1 --"])
def test_a_malformed_key_is_a_401(program: FlaskClient, site: SiteRow, way: Any, key: str) -> None:
    for answer in (send(program, way(key)), read(program, way(key))):
        assert (answer.status_code, answer.json) == (401, UNAUTHORIZED)


@both_ways
def test_an_unknown_key_is_a_401(program: FlaskClient, site: SiteRow, way: Any) -> None:
    for answer in (send(program, way("0" * 64)), read(program, way("0" * 64))):
        assert (answer.status_code, answer.json) == (401, UNAUTHORIZED)


def test_a_wrong_key_is_refused_even_with_a_session(cast: Cast) -> None:
    answer = read(cast.reader.client, by_header("0" * 64), cast.reader.id)

    assert (answer.status_code, answer.json) == (401, UNAUTHORIZED)


@both_ways
def test_a_revoked_key_opens_nothing_at_once(program: FlaskClient, site: SiteRow, way: Any) -> None:
    made = api_key.create(site.number, "ingest", "server")
    assert send(program, way(made.key)).status_code == 200

    assert api_key.revoke(made.id) is True
    assert send(program, way(made.key)).status_code == 401
    assert api_key.revoke(made.id) is False


def test_a_key_is_revoked_once_and_no_other_with_it(
    site: SiteRow, other_site: SiteRow, frozen_clock: int
) -> None:
    made = []
    for where, name in ((site, "a"), (other_site, "b"), (site, "c")):
        id = api_key.create(where.number, "read", name).id
        made.insert(0, KeySummary(id, where.id, name, "read", clock.now(), None, None))
        clock.advance(1)

    assert api_key.everyones()[:3] == made
    assert api_key.everyones(site.number) == [made[0], made[2]]
    *others, first = made
    assert (api_key.revoke(first.id), api_key.revoke("nowhere")) == (True, False)
    revoked = first._replace(revoked_at=clock.now())
    clock.advance(1)
    assert api_key.revoke(first.id) is False
    assert api_key.everyones()[:3] == [*others, revoked]


def test_a_key_gives_access_to_its_own_site(site: SiteRow, other_site: SiteRow) -> None:
    made = [
        (where.id, scope, api_key.create(where.number, scope, "x"))
        for where in (site, other_site)
        for scope in SCOPES
    ]
    for site_id, scope, key in made:
        assert api_key.check(key.key) == KeyAccess(key.id, site_id, scope, None)


def test_a_key_of_a_removed_site_opens_nothing(
    program: FlaskClient, doomed: SiteRow, events_db: EventRows
) -> None:
    ingest = api_key.create(doomed.number, "ingest", "server").key
    reads = api_key.create(doomed.number, "read", "auditor").key
    assert send(program, by_header(ingest)).status_code == 200
    sites.remove(doomed.id)

    for refused in (send(program, by_header(ingest)), read(program, by_header(reads))):
        assert (refused.status_code, refused.json) == (401, UNAUTHORIZED)
    assert (api_key.check(ingest), api_key.check(reads)) == (None, None)
    assert events_db.one("SELECT COUNT(*) FROM events") == 0


def test_a_key_opens_nothing_else(program: FlaskClient, site: SiteRow) -> None:
    made = api_key.create(site.number, "read", "auditor")
    for path in ("/api/v2/sites", "/api/auth/me", "/api/books"):
        for headers in (by_header(made.key), by_bearer(made.key)):
            assert program.get(path, headers=headers).status_code == 401


def test_keys_are_random_and_kept_as_hashes_only(
    program: FlaskClient, site: SiteRow, settings: Settings, events_db: EventRows
) -> None:
    made = [api_key.create(site.number, "ingest", "server") for _ in range(3)]
    send(program, by_header(made[0].key))

    kept = str(events_db.query("SELECT * FROM api_keys")) + "".join(
        map(_text, settings.data_dir.glob("*.db*"))
    )
    assert len({one.key for one in made}) == 3
    assert all(len(one.key) == 64 and one.key not in kept for one in made)


def _text(path: Path) -> str:
    return path.read_bytes().decode("latin-1")


def test_it_is_known_when_a_key_was_last_used_without_a_write_at_each_use(
    program: FlaskClient, site: SiteRow, tracking: Tracking, frozen_clock: int
) -> None:
    headers = by_header(api_key.create(site.number, "read", "auditor").key)
    api_key.create(site.number, "read", "unused")
    for after, noted in ((0, 0), (minutes(1) - 1, 0), (minutes(1), minutes(1))):
        clock.freeze(frozen_clock + after)
        read(program, headers)
        tracking.recorder.flush()
        used_at = {listed.name: listed.last_used_at for listed in api_key.everyones(site.number)}
        assert used_at == {"auditor": frozen_clock + noted, "unused": None}
