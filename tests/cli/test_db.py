"""`alice db` migrates, lists, undoes and begins migrations."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import Result

from alice import database, migrations
from alice.config import Settings
from tests.cli.running import Alice

Command = Callable[..., Result]


@pytest.fixture
def db_command(alice: Alice) -> Command:
    """Run `alice db ...` on the test's database."""
    return partial(alice, "db")


def test_a_migrated_database_needs_nothing(db_command: Command) -> None:
    done = db_command("migrate")

    assert (done.exit_code, done.output) == (0, "Nothing to apply.\n")


@pytest.mark.touches_bystander()
@pytest.mark.parametrize(("options", "name"), [((), "alice"), (("--events",), "events")])
def test_undo_and_apply_again_say_what_they_did(
    db_command: Command, options: tuple[str, ...], name: str
) -> None:
    undone, applied = db_command("rollback", "--yes", *options), db_command("migrate")

    assert undone.output.startswith(f"Undid {name}/")
    backup, said = applied.output.splitlines()
    assert backup.startswith("Wrote ") and backup.endswith(" first.")
    assert f"{said}\n" == undone.output.replace("Undid", "Applied")


@pytest.mark.parametrize("answer", ["", "\n", "n\n"])
def test_nothing_is_undone_unless_somebody_says_so(db_command: Command, answer: str) -> None:
    newest = json.loads(db_command("status", "--json").output)
    done = db_command("rollback", input=answer)

    assert done.exit_code == 1
    name = [step["name"] for step in newest if step["database"] == "alice"][-1]
    assert f"Undo {name}? All data" in done.output
    assert json.loads(db_command("status", "--json").output) == newest


@pytest.mark.touches_bystander()
def test_what_was_agreed_to_is_undone(db_command: Command) -> None:
    assert "Undid alice/" in db_command("rollback", input="y\n").output


def test_the_status_lists_what_was_applied(db_command: Command) -> None:
    steps = json.loads(db_command("status", "--json").output)

    assert next(step["name"] for step in steps if step["database"] == "alice").startswith("0001_")
    assert all(step["applied"] and step["known"] for step in steps)
    assert len(db_command("status").output.splitlines()) == len(steps)


@pytest.mark.touches_bystander()
def test_what_is_pending_is_listed_so(db_command: Command) -> None:
    db_command("rollback", "--yes")

    assert "pending" in db_command("status").output


def test_a_database_newer_than_the_code_is_left_alone(db_command: Command) -> None:
    with migrations.connections():
        database.execute("UPDATE schema_migration SET name = '9999_tomorrow'")

    for command in (["migrate"], ["rollback"], ["rollback", "--yes"]):
        done = db_command(*command)
        assert done.exit_code == 1
        assert "newer" in done.output
    assert "not in this checkout" in db_command("status").output


def test_new_writes_the_next_migration(
    db_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "0007_old.py").write_text("")
    monkeypatch.setattr(migrations, "MIGRATIONS", folder)

    done = db_command("new", "Add a colour")

    assert done.output.strip() == str(folder / "0008_add_a_colour.py")
    assert "def up(" in (folder / "0008_add_a_colour.py").read_text()


def test_new_writes_one_for_events_too(
    db_command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "migrations"
    shutil.copytree(migrations.MIGRATIONS, folder)
    monkeypatch.setattr(migrations, "MIGRATIONS", folder)

    path = Path(db_command("new", "Add a colour", "--events").output.strip())

    assert path.parent == folder / "events"
    assert path.name.endswith("_add_a_colour.py")
    assert path.exists()


def test_the_space_of_deleted_rows_is_given_back(db_command: Command, settings: Settings) -> None:
    insert = "INSERT INTO throttles (key, window_started_at, count) VALUES (?, 0, 0)"
    with database.connected():
        database.execute_many(insert, [(f"{number:01000}",) for number in range(3000)])
        database.execute("DELETE FROM throttles WHERE window_started_at = 0")
    done = db_command("vacuum")

    assert done.exit_code == 0, done.output
    given_back = int(done.output.partition(": ")[2].partition(" ")[0])
    assert given_back > 1_000_000 or database.is_postgresql()
    with database.connected():
        assert database.query("SELECT COUNT(*) FROM books") == [(2,)]
