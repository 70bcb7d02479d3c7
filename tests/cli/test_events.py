"""`alice events` says what it did, and what it could not reach."""

import json

import pytest

from alice import clock, database
from alice.config import Settings
from tests.cli.running import Alice
from tests.tracking.sinks.making import Log


@pytest.fixture
def ada(settings: Settings) -> None:
    """One visit of ada's, with one event."""
    log = Log()
    log.events(log.visit(user_id="ada"))


@pytest.fixture
def copies(settings: Settings) -> str:
    """The folder with a day of copies."""
    folder = settings.data_dir / "ndjson"
    folder.mkdir()
    (folder / "events_v1-2025-01-20.ndjson").write_text("{}\n")
    return str(folder)


def test_erasing_somebody_unknown_says_that_nothing_was_found(alice: Alice, ada: None) -> None:
    done = alice("events", "erase", "adam", "--yes")

    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: Nothing was found of adam. Ids are case-sensitive.\n"
    assert alice("events", "erase", "ada", "--yes").stdout == "Erased 1 visits of ada.\n"
    assert "Nothing was found of ada." in alice("events", "erase", "ada", "--yes").stderr


def test_erasing_somebody_with_no_visit_left_finds_them(alice: Alice, ada: None) -> None:
    with database.connected(database.events_db), database.transaction(database.events_db):
        ((site, visitor),) = database.events.query(
            "SELECT site_number, visitor_number FROM visits WHERE user_id = 'ada'"
        )
        database.events.execute(
            "INSERT INTO identities (site_number, visitor_number, user_id, data, seen_at) "
            "VALUES (?, ?, 'ada', '{}', ?)",
            site,
            visitor,
            clock.now(),
        )
        database.events.execute("DELETE FROM visits WHERE user_id = 'ada'")

    done = alice("events", "erase", "ada", "--yes")
    assert (done.exit_code, done.stdout) == (0, "Erased 0 visits of ada.\n")


def test_erasing_says_beforehand_what_stays(alice: Alice) -> None:
    help_text = " ".join(alice("events", "erase", "--help").output.split())

    assert "texts of page addresses" in help_text and "linked to no one" in help_text


@pytest.mark.parametrize("nobody", ["", " "])
@pytest.mark.parametrize("command", [("erase", "--yes"), ("export",)])
def test_nobody_is_not_a_user(alice: Alice, ada: None, command: tuple[str, ...], nobody: str) -> None:
    done = alice("events", *command, nobody)

    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.endswith("Error: Invalid value for 'USER': must not be empty.\n")


@pytest.mark.parametrize("command", [("erase", "ada", "--yes"), ("prune",)], ids=["erase", "prune"])
def test_copies_that_stay_are_named(alice: Alice, ada: None, copies: str, command: tuple[str, ...]) -> None:
    elsewhere = {
        "ALICE_CLICKHOUSE_URL": "http://127.0.0.1:1",
        "ALICE_TINYBIRD_TOKEN": "p.token",
    }

    assert "ndjson/" in alice("events", command[0], "--help").output
    done = alice("events", *command, **elsewhere)
    assert done.exit_code == 0
    assert done.stderr == (
        f"Copies were not deleted: the files in {copies}, and the rows sent to clickhouse and tinybird.\n"
    )


def test_pruning_prints_nothing_but_json_to_programs(alice: Alice, copies: str) -> None:
    done = alice("events", "prune", "--json")

    assert json.loads(done.stdout)["events"] == 0
    assert copies in done.stderr


def test_without_copies_nothing_is_said_of_them(alice: Alice, ada: None) -> None:
    assert alice("events", "prune").stderr == ""
    assert alice("events", "erase", "ada", "--yes").stderr == ""
