"""`alice serve` says in one line why it does not start."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest

from alice import database, migrations
from alice.config import Settings
from tests.cli.running import Alice
from tests.servers import run


def complaint(settings: Settings, *options: str, **variables: str) -> str:
    """The one line on stderr of a server that must not start."""
    done = run(settings, "serve", *options, **variables)

    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


def test_a_port_in_use(settings: Settings) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]

        line = complaint(settings, "--port", str(port))

    assert f"Port {port} on 127.0.0.1 is in use" in line
    assert "--port" in line


@pytest.mark.parametrize("host", ["no.such.host.invalid", "999.1.1.1", "192.0.2.1", "x" * 300, "a b"])
def test_a_host_that_is_not_ours(settings: Settings, host: str) -> None:
    assert "Try --host 127.0.0.1" in complaint(settings, "--host", host)


@pytest.mark.parametrize("option", ["--port=0", "--port=70000", "--port=x", "--workers=0", "--threads=1"])
def test_a_number_out_of_bounds(tmp_path: Path, option: str) -> None:
    nowhere = tmp_path / "file"  # what is not refused for the number would be refused for this
    nowhere.touch()
    refused = Alice({"ALICE_DATA_DIR": str(nowhere)})("serve", option)

    assert (refused.exit_code, refused.stdout) == (1, "")
    (line,) = refused.stderr.splitlines()
    assert "must be a whole number from" in line


@pytest.mark.touches_bystander()
def test_pending_migrations(settings: Settings) -> None:
    migrations.rollback(settings)

    line = complaint(settings)

    assert "pending" in line
    assert "`alice db migrate`" in line


def test_a_database_newer_than_the_code(settings: Settings) -> None:
    with migrations.connections():
        database.execute("UPDATE schema_migration SET name = '9999_tomorrow'")

    assert "newer" in complaint(settings)


def test_a_folder_that_cannot_be_written(settings: Settings) -> None:
    file = settings.data_dir / "file"
    file.touch()

    line = complaint(replace(settings, data_dir=file / "folder"))

    assert "cannot be written" in line
    assert "ALICE_DATA_DIR" in line


def test_a_setting_that_is_wrong_or_unknown(settings: Settings) -> None:
    assert "ALICE_WORKERS must be" in complaint(settings, ALICE_WORKERS="many")
    assert "ALICE_WORKER is not a setting" in complaint(settings, ALICE_WORKER="2")


@pytest.mark.touches_bystander()
def test_a_file_that_is_no_database(settings: Settings) -> None:
    if settings.database_url:
        return
    (settings.data_dir / "alice.db").write_text("no database " * 500)
    for left_over in settings.data_dir.glob("alice.db-*"):
        left_over.unlink()

    assert "cannot be opened" in complaint(settings)
