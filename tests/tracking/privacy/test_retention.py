"""Retention: which rows and salts are deleted when, and which stay."""

import stat
from pathlib import Path
from uuid import uuid4

import pytest

from alice import clock, database
from alice.clock import DAY, days, minutes
from alice.config import Settings
from alice.tracking.log.caller import Caller
from alice.tracking.log.hit import VisitDetails, VisitKey
from alice.tracking.log.visit import Dialect
from alice.tracking.pipeline import Tracking, close_visits
from alice.tracking.privacy import retention
from alice.tracking.privacy.salt import Salts
from alice.tracking.site import SiteRow
from tests.conftest import EventRows
from tests.tracking.calling import site as sites
from tests.tracking.conftest import Post

HERS = 3  # ids of the bystander's: one on her own site, and two on the one that she visits


@pytest.fixture
def forgetful(app: object) -> SiteRow:
    """A site that keeps visits for 30 days."""
    with database.connected(database.events_db):
        return sites.create("wonderland.example", "Forgetful", owner_id=None, retention_days=30)


def key_of(tracking: Tracking, site: SiteRow, name: str) -> VisitKey:
    return VisitKey(Dialect.LITTLESTATS, tracking.visitors.known(site, name))


def close_all(events_db: EventRows) -> None:
    events_db.execute("UPDATE visits SET closed_at = last_at WHERE closed_at IS NULL AND number > 0")


def counts(events_db: EventRows) -> tuple[int, ...]:
    tables = ("events", "event_properties", "visits", "visitors", "event_ids")
    return tuple(events_db.one(f"SELECT COUNT(*) FROM {table}") for table in tables)


@pytest.mark.touches_bystander("event_ids")
def test_old_visits_go_with_all_that_hangs_on_them(
    post: Post, forgetful: SiteRow, frozen_clock: int, events_db: EventRows
) -> None:
    post(forgetful.id, type="event", name="tea", data={"cups": 3}, eventId=str(uuid4()))
    clock.advance(days(31))
    close_visits()
    post(forgetful.id, url="/new", eventId=str(uuid4()))

    gone = retention.prune()

    assert gone == (1, 1, 1, 1 + HERS)
    assert counts(events_db) == (1, 0, 1, 1, 1)
    assert retention.prune() == (0, 0, 0, 0)


@pytest.mark.touches_bystander("event_ids")
def test_without_retention_events_stay_and_only_their_ids_go(
    post: Post, frozen_clock: int, events_db: EventRows
) -> None:
    post(url="/", eventId=str(uuid4()))
    clock.advance(days(6))
    post(url="/", eventId=str(uuid4()))
    clock.advance(days(2))

    assert retention.prune() == (0, 0, 0, 1 + HERS)
    assert counts(events_db)[0] == 2
    clock.advance(days(400))
    retention.prune()
    assert counts(events_db) == (2, 0, 2, 2, 0)


@pytest.mark.touches_bystander("event_ids")
def test_ids_are_forgotten_in_as_many_steps_as_it_takes(
    post: Post, frozen_clock: int, events_db: EventRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 3)
    for _ in range(8):
        post(url="/", eventId=str(uuid4()))
    clock.advance(days(8))

    assert retention.prune().ids == 8 + HERS
    assert counts(events_db)[4] == 0


@pytest.mark.touches_bystander("event_ids")
def test_what_is_old_goes_in_as_many_steps_as_it_takes(
    post: Post, forgetful: SiteRow, frozen_clock: int, events_db: EventRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 2)
    for number in range(4):
        post(forgetful.id, url="/", consent="granted", visitorId=f"browser-{number}")
    clock.advance(days(31))
    close_visits()

    assert retention.prune()[:3] == (4, 4, 4)
    assert counts(events_db) == (0, 0, 0, 0, 0)


@pytest.mark.touches_bystander("event_ids")
def test_what_is_as_old_as_the_retention_stays_and_goes_a_millisecond_later(
    post: Post, forgetful: SiteRow, frozen_clock: int, events_db: EventRows
) -> None:
    post(forgetful.id, url="/")
    close_all(events_db)
    clock.advance(days(30))
    assert retention.prune()[:3] == (0, 0, 0)

    clock.advance(1)
    assert retention.prune()[:3] == (1, 1, 1)


@pytest.mark.touches_bystander("event_ids")
def test_an_old_visit_stays_for_the_events_that_came_since(
    post: Post, forgetful: SiteRow, frozen_clock: int, events_db: EventRows
) -> None:
    post(forgetful.id, url="/old", consent="granted", visitorId="browser-1")
    clock.advance(minutes(20))
    post(forgetful.id, url="/since", consent="granted", visitorId="browser-1")
    close_all(events_db)
    clock.advance(days(30) - minutes(10))

    assert retention.prune()[:3] == (1, 0, 0)
    assert events_db.query("SELECT sequence FROM events") == [(2,)]


@pytest.mark.touches_bystander("event_ids")
def test_what_a_site_keeps_no_longer_is_kept_for_another(
    post: Post,
    site: SiteRow,
    forgetful: SiteRow,
    tracking: Tracking,
    caller: Caller,
    frozen_clock: int,
    events_db: EventRows,
) -> None:
    for where in (site, forgetful):
        post(where.id, url="/", eventId=str(uuid4()))
        tracking.open(where, key_of(tracking, where, "without-events"), caller, VisitDetails())
        lonely = tracking.open(where, key_of(tracking, where, "without-visits"), caller, VisitDetails())
        events_db.execute("DELETE FROM visits WHERE number = ?", lonely.number)
    clock.advance(days(31))
    tracking.open(forgetful, key_of(tracking, forgetful, "new"), caller, VisitDetails())
    close_all(events_db)

    assert retention.prune() == (1, 2, 3, 2 + HERS)
    assert events_db.query("SELECT site_number, COUNT(*) FROM visits GROUP BY site_number ORDER BY 1") == [
        (site.number, 2), (forgetful.number, 1),
    ]  # fmt: skip
    assert events_db.query("SELECT site_number, COUNT(*) FROM visitors GROUP BY site_number ORDER BY 1") == [
        (site.number, 3), (forgetful.number, 1),
    ]  # fmt: skip
    assert events_db.query("SELECT site_number FROM events") == [(site.number,)]


@pytest.mark.touches_bystander("event_ids")
def test_an_id_is_known_for_7_days_whatever_other_sites_forget(
    post: Post, site: SiteRow, doomed: SiteRow, frozen_clock: int, events_db: EventRows
) -> None:
    """The site's are among those of the other, in the order of ids and in that of time."""
    ids = [f"{digit}0000000-0000-4000-8000-000000000000" for digit in range(1, 7)]

    def known() -> str:
        return "".join(
            bytes(id).hex()[0] for (id,) in events_db.query("SELECT id FROM event_ids ORDER BY id")
        )

    for where, of in ((doomed, ids[:1]), (site, ids[1:3]), (doomed, ids[3:])):
        for id in of:
            post(where.id, url="/", eventId=id)
        clock.advance(days(1))
    clock.advance(days(4))
    retention.prune()
    assert known() == "123456"

    clock.advance(1)
    retention.prune()
    assert known() == "23456"
    clock.advance(days(1))
    retention.prune()
    assert known() == "456"
    clock.advance(days(1))
    retention.prune()
    assert known() == ""


@pytest.mark.touches_bystander("event_ids")
def test_a_visit_that_is_open_is_not_taken_away(
    post: Post, forgetful: SiteRow, frozen_clock: int, events_db: EventRows
) -> None:
    post(forgetful.id, url="/")
    clock.advance(days(31))

    retention.prune()

    assert events_db.one("SELECT COUNT(*) FROM visits") == 1
    close_visits()
    retention.prune()
    assert events_db.one("SELECT COUNT(*) FROM visits") == 0


def test_a_days_salt_is_destroyed_when_its_last_visit_has_closed(
    post: Post, site: SiteRow, forgetful: SiteRow, settings: Settings
) -> None:
    """Although visits of other salts are open."""
    clock.freeze((clock.now() // DAY + 1) * DAY - minutes(5))
    day = clock.now() // DAY
    post(url="/")
    post(forgetful.id, url="/")
    salts = Salts(settings.data_dir)
    clock.advance(minutes(10))
    close_visits()
    assert retention.destroy_salts(salts) == 0
    assert (site.id, day) in salts.days()

    post(forgetful.id, url="/")  # a visit of its own that goes on
    clock.advance(minutes(22))
    anew = clock.now() // DAY
    post(url="/")  # a new visit, with the salt of the new day
    close_visits()
    destroyed = retention.destroy_salts(salts)
    again = retention.destroy_salts(salts)
    clock.thaw()

    assert (destroyed, again) == (1, 0)
    assert sorted(salts.days()) == sorted([(forgetful.id, day), (forgetful.id, anew), (site.id, anew)])


def test_salts_of_a_removed_site_go(post: Post, doomed: SiteRow, settings: Settings) -> None:
    post(doomed.id, url="/")
    sites.remove(doomed.id)
    salts = Salts(settings.data_dir)
    retention.destroy_salts(salts)

    assert salts.days() == []


def test_salts_are_secret_random_and_the_same_for_all_processes(settings: Settings) -> None:
    one, other = Salts(settings.data_dir), Salts(settings.data_dir)
    today = clock.now() // DAY

    assert one.get("a", today) == other.get("a", today)
    assert len({one.get("a", today), one.get("a", today + 1), one.get("b", today), one.known("a")}) == 4
    files = [path for path in (settings.data_dir / "salts").rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert {stat.S_IMODE(path.parent.stat().st_mode) for path in files} == {0o700}
    assert {path.stat().st_size for path in files} == {32}


def test_every_salt_of_a_removed_site_goes_and_no_other(
    post: Post, doomed: SiteRow, other_site: SiteRow, salts: Salts, folder: Path
) -> None:
    post(doomed.id, url="/", consent="granted", visitorId="v")
    post(doomed.id, url="/")
    salts.known(other_site.id)
    (folder / doomed.id / ".known-1-00000000").write_bytes(b"of a process that was killed")
    sites.remove(doomed.id)

    assert retention.destroy_salts(salts) == 3
    assert [path.name for path in folder.iterdir()] == [other_site.id]
    assert (folder / other_site.id / "known").exists()
    assert retention.destroy_salts(salts) == 0


def test_the_salts_of_alices_own_site_stay(app: object, salts: Salts, folder: Path) -> None:
    own = sites.own()
    known, today = salts.known(own.id), salts.get(own.id, clock.now() // DAY)

    assert retention.destroy_salts(salts) == 0
    assert {path.read_bytes() for path in (folder / own.id).iterdir()} == {known, today}
