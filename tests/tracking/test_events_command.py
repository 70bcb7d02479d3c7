"""`alice events` shows, prunes, exports and erases."""

import json

import pytest
from click.testing import CliRunner, Result

from alice import database
from alice.cli.main import main
from alice.clock import rfc3339
from alice.config import Settings
from alice.tracking.site import SiteRow
from tests.conftest import EventRows
from tests.tracking.conftest import Post


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> object:
    """Runs `alice events ...` on the test's database."""
    monkeypatch.setenv("ALICE_DATA_DIR", str(settings.data_dir))
    if settings.database_url:
        monkeypatch.setenv("ALICE_DATABASE_URL", settings.database_url)

    def invoke(*arguments: str, input: str | None = None) -> Result:
        result = CliRunner().invoke(main, ["events", *arguments], input=input)
        database.bind(settings)
        return result

    return invoke


def test_the_newest_events_are_listed(
    command: object, post: Post, site: SiteRow, doomed: SiteRow, frozen_clock: int, events_db: EventRows
) -> None:
    post(url="/tea")
    post(type="event", name="poured", url="/tea")
    post(doomed.id, url="/elsewhere")

    listed = json.loads(command("tail", "--json", "-n", "3").output)
    assert [(row["site_id"], row["kind"], row["name"], row["path"], row["sequence"]) for row in listed] == [
        (site.id, "page_view", None, "/tea", 1), (site.id, "custom", "poured", "/tea", 2),
        (doomed.id, "page_view", None, "/elsewhere", 1),
    ]  # fmt: skip
    assert {row["received_at"] for row in listed} == {rfc3339(frozen_clock)}
    assert [(row["seq"],) for row in listed] == events_db.query("SELECT seq FROM events ORDER BY seq")
    assert json.loads(command("tail", "--json", "-n", "2", "--site", site.id).output) == listed[:2]
    assert len(command("tail", "-n", "1", "--site", site.id).output.splitlines()) == 2
    assert "There is no site" in command("tail", "--site", "nosuchsite12").output


@pytest.mark.touches_bystander("event_ids")
def test_prune_prints_how_many_rows_it_deleted(command: object, post: Post) -> None:
    post(url="/")

    assert command("prune").output.startswith("Deleted 0 events, 0 visits")
    assert json.loads(command("prune", "--json").output) == {
        "events": 0,
        "visits": 0,
        "visitors": 0,
        "ids": 0,
    }


def test_a_person_is_exported_and_erased(
    command: object,
    post: Post,
    events_db: EventRows,
) -> None:
    post(type="identify", id="ada", consent="granted", visitorId="v")

    assert len(json.loads(command("export", "ada").output)["visits"]) == 1
    assert command("erase", "ada", input="n\n").exit_code == 1
    assert command("erase", "ada", "--yes").output == "Erased 1 visits of ada.\n"
    assert events_db.one("SELECT COUNT(*) FROM events") == 0
