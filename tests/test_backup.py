"""Backups: what an archive holds, what a damaged one says, and what comes back."""

import gzip
import os
import shutil
import signal
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from alice import clock, database, erased, migrations
from alice.accounts import user
from alice.activity import rebuild
from alice.app import create_app
from alice.backup import archive, backups
from alice.backup.archive import BadArchive
from alice.clock import days
from alice.config import Settings
from alice.tracking.privacy import person
from tests import servers
from tests.cast import Cast
from tests.conftest import EventRows, Eventually, Rows, Template
from tests.faults.load import Load
from tests.servers import ALICE
from tests.tracking.calling import site as sites


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backups")


@pytest.fixture
def made(app: Flask, settings: Settings, folder: Path) -> Path:
    """An archive of the application's data."""
    return backups.make(settings, folder)


@pytest.fixture
def elsewhere(template: Template, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Another installation, with data of its own, that is bound."""
    with template.copy(tmp_path_factory.mktemp("elsewhere")) as settings:
        database.disconnect()
        database.bind(settings)
        yield settings
        database.disconnect()


def emails() -> set[str]:
    return {email for (email,) in Rows().query("SELECT email FROM users")}


def test_everything_comes_back_in_another_place(
    made: Path, settings: Settings, elsewhere: Settings, cast: Cast
) -> None:
    with database.connected():
        user.delete(cast.newcomer.id)
    restored = backups.restore(elsewhere, made)

    assert cast.newcomer.email in emails()
    assert create_app(elsewhere).test_client().get("/health").status_code == 200
    assert (elsewhere.data_dir / "secret_key").read_text() == (settings.data_dir / "secret_key").read_text()
    assert restored.erased == restored.migrated == 0


def test_only_its_owner_can_read_an_archive(made: Path, folder: Path) -> None:
    assert made.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in folder.iterdir()] == [made.name], "and nothing is left beside it"


def test_an_archive_is_verified_file_by_file(made: Path) -> None:
    manifest = archive.verify(made)

    assert "secret_key" in manifest.files
    assert manifest.migrations["events"] == sorted(migrations.known("events"))


@pytest.mark.parametrize("damage", ["cut", "a file changed", "the manifest changed", "something else"])
def test_a_damaged_archive_is_refused_by_name_and_changes_nothing(
    made: Path, elsewhere: Settings, cast: Cast, damage: str
) -> None:
    content = bytearray(made.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "a file changed":
        unpacked = bytearray(gzip.decompress(content))
        unpacked[len(unpacked) // 2] ^= 0xFF
        content = bytearray(gzip.compress(unpacked))
    elif damage == "the manifest changed":  # without a new checksum
        content[-8] ^= 0xFF
    else:
        content = bytearray(b"not an archive")
    made.write_bytes(content)
    with database.connected():
        user.delete(cast.newcomer.id)

    with pytest.raises(BadArchive, match=str(made)):
        backups.restore(elsewhere, made)
    assert cast.newcomer.email not in emails()


def test_every_changed_byte_is_noticed(made: Path) -> None:
    """At a few hundred places, those of the manifest among them."""
    content = made.read_bytes()
    for place in [*range(10, 600, 7), *range(600, len(content), len(content) // 40)]:
        changed = content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]
        made.write_bytes(changed)
        if is_the_same(changed, content):
            continue  # another way to write the same bytes
        with pytest.raises(BadArchive, match=str(made)):
            archive.verify(made)


def is_the_same(changed: bytes, content: bytes) -> bool:
    try:
        return gzip.decompress(changed) == gzip.decompress(content)
    except (EOFError, OSError, zlib.error):
        return False


def test_an_archive_of_a_newer_alice_is_refused(
    app: Flask, settings: Settings, folder: Path, elsewhere: Settings
) -> None:
    database.bind(settings)
    with database.connected():
        database.execute(
            "INSERT INTO schema_migration (name, applied) VALUES ('9999_tomorrow', CURRENT_TIMESTAMP)"
        )
    newer = backups.make(settings, folder)
    with database.connected():
        database.execute("DELETE FROM schema_migration WHERE name = '9999_tomorrow'")

    with pytest.raises(BadArchive, match="9999_tomorrow"):
        backups.restore(elsewhere, newer)


def test_an_archive_of_an_older_alice_is_migrated(
    template: Template, tmp_path: Path, folder: Path, elsewhere: Settings
) -> None:
    with template.copy(tmp_path) as old:
        database.bind(old)
        migrations.rollback(old, "events")
        made = backups.make(old, folder)
        database.disconnect()
    database.bind(elsewhere)

    assert backups.restore(elsewhere, made).migrated == 1
    migrations.require_current()


def test_people_who_were_erased_since_are_erased_again(
    app: Flask, settings: Settings, folder: Path, elsewhere: Settings, cast: Cast
) -> None:
    database.bind(settings)
    made = backups.make(settings, folder)
    clock.advance(1000)
    with database.connected():
        user.delete(cast.newcomer.id)
        person.erase_deleted_users(settings.data_dir)
    backups.make(settings, folder)  # and with it the ledger, beside the archives
    database.bind(elsewhere)
    restored = backups.restore(elsewhere, made)
    clock.thaw()

    assert restored.erased == 1
    assert cast.newcomer.email not in emails()
    assert cast.reader.email in emails()


def test_a_person_erased_on_one_site_is_erased_there_again(
    app: Flask, settings: Settings, folder: Path, elsewhere: Settings, events_db: EventRows
) -> None:
    database.bind(settings)
    one, other = (sites.create(f"{name}.example", name, None) for name in ("one", "other"))
    tracking = app.extensions["tracking"]
    for where in (one, other):
        client = app.test_client(use_cookies=False)
        consent = {"consent": "granted", "visitorId": "browser-1", "url": "/"}
        client.post(f"/api/v2/track/{where.id}", json={"type": "identify", "id": "ada"} | consent)
    assert tracking is not None
    made = backups.make(settings, folder)
    erased.note(settings.data_dir, "ada", one.id, account=False)
    shutil.copy(settings.data_dir / erased.NAME, folder)
    database.bind(elsewhere)
    backups.restore(elsewhere, made)

    with database.connected(database.events_db):
        assert person.export("ada", one.number)["visits"] == []
        assert len(person.export("ada", other.number)["visits"]) == 1


def test_erasing_the_events_of_a_user_deletes_no_account_in_a_restore(
    app: Flask, settings: Settings, folder: Path, elsewhere: Settings, cast: Cast
) -> None:
    database.bind(settings)
    made = backups.make(settings, folder)
    erased.note(settings.data_dir, cast.newcomer.id, account=False)
    shutil.copy(settings.data_dir / erased.NAME, folder)
    database.bind(elsewhere)

    assert backups.restore(elsewhere, made).erased == 1
    assert cast.newcomer.email in emails()


@pytest.mark.parametrize("text", ["a\n1 * victim", "two words", "\u2028", '"]', "é", "\ud800"])
def test_the_ledger_keeps_any_id_and_no_other(tmp_path: Path, text: str) -> None:
    (tmp_path / erased.NAME).write_text('[1, "cut o')
    erased.note(tmp_path, text, "wonderland12", account=False)
    erased.note(tmp_path, "ada", account=True)

    assert [entry[1:] for entry in erased.read(tmp_path)] == [
        (text, "wonderland12", False),
        ("ada", None, True),
    ]


def test_two_backups_at_once_take_turns(app: Flask, settings: Settings, folder: Path) -> None:
    command = [*ALICE, "backup", str(folder)]
    processes = [
        subprocess.Popen(command, env=servers.environment(settings), stdout=subprocess.DEVNULL)
        for _ in range(3)
    ]

    assert [process.wait(60) for process in processes] == [0, 0, 0]
    for path in backups.archives(folder):
        archive.verify(path)


def test_a_visitor_with_consent_is_recognised_after_a_restore(
    app: Flask, settings: Settings, folder: Path, elsewhere: Settings
) -> None:
    database.bind(settings)
    site = sites.create("wonderland.example", "Wonderland", None)
    seen = {"consent": "granted", "visitorId": "browser-1", "url": "/"}
    app.test_client(use_cookies=False).post(f"/api/v2/track/{site.id}", json=seen)
    made = backups.make(settings, folder)
    database.bind(elsewhere)
    backups.restore(elsewhere, made)
    again = create_app(elsewhere).test_client(use_cookies=False)
    assert again.post(f"/api/v2/track/{site.id}", json=seen).status_code == 200

    count = "SELECT COUNT(*) FROM visitors WHERE site_number = ?"
    assert EventRows().one(count, site.number) == 1


def test_the_newest_archives_are_kept(app: Flask, settings: Settings, folder: Path) -> None:
    database.bind(settings)
    for _ in range(4):
        backups.make(settings, folder, keep=2)
        clock.advance(days(1))
    clock.thaw()

    assert len(backups.archives(folder)) == 2
    assert backups.archives(folder)[-1].name.startswith("alice-")


def test_a_backup_that_is_killed_leaves_no_archive_and_the_next_one_cleans_up(
    app: Flask, settings: Settings, folder: Path, eventually: Eventually
) -> None:
    with database.connected():  # so much that there is time to kill it
        large = os.urandom(6_000_000).hex()
        database.execute("UPDATE sections SET content = ? WHERE id = (SELECT MIN(id) FROM sections)", large)
    command = [*ALICE, "backup", str(folder)]
    process = subprocess.Popen(command, env=servers.environment(settings), stdout=subprocess.DEVNULL)
    eventually(lambda: any(folder.glob(".making-*")) or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    process.wait(30)

    assert process.returncode == -signal.SIGKILL, "it was too fast to be killed"
    assert backups.archives(folder) == []
    database.bind(settings)
    made = backups.make(settings, folder)
    assert [path.name for path in folder.iterdir()] == [made.name]


def test_what_was_acknowledged_before_a_backup_under_load_is_in_it(
    settings: Settings, folder: Path, elsewhere: Settings, cast: Cast, eventually: Eventually
) -> None:
    with servers.serving(settings) as server, Load(server, cast.reader.token, 1500).running() as load:
        eventually(lambda: len(load.acknowledged) >= 100)
        before = load.acknowledged
        done = servers.run(settings, "backup", str(folder))
    assert done.returncode == 0, done.stderr
    database.bind(elsewhere)
    backups.restore(elsewhere, Path(done.stdout.strip()))

    assert before
    assert before <= {id for (id,) in Rows().query("SELECT id FROM activity_logs")}
    with database.connected():
        assert [difference for id in rebuild.readers() for difference in rebuild.rebuild(id)] == []


def test_an_archive_is_made_before_a_migration(template: Template, tmp_path: Path) -> None:
    with template.copy(tmp_path) as settings:
        database.bind(settings)
        migrations.rollback(settings, "events")
        done = servers.run(settings, "db", "migrate")
        database.disconnect()

        assert done.returncode == 0, done.stderr
        (made,) = backups.archives(tmp_path / "backups")
        assert str(made) in done.stdout
        assert servers.run(settings, "db", "migrate").stdout == "Nothing to apply.\n"


@pytest.mark.engine("sqlite")
def test_the_server_makes_backups_by_itself(settings: Settings, folder: Path, eventually: Eventually) -> None:
    with servers.serving(settings, ALICE_BACKUP_DIR=str(folder), ALICE_BACKUP_HOURS="1"):
        eventually(lambda: len(backups.archives(folder)) == 1)

    archive.verify(backups.archives(folder)[0])
