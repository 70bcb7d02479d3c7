"""`alice config` shows the settings and keeps the secrets."""

import json
from dataclasses import fields

import pytest
from click.testing import CliRunner

from alice.cli.main import main
from alice.config import Settings, variable


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in fields(Settings):
        monkeypatch.delenv(variable(field.name), raising=False)


def shown(**environ: str) -> dict[str, dict]:
    done = CliRunner().invoke(main, ["config", "--json"], env=environ)
    assert done.exit_code == 0, done.output
    return {entry["name"]: entry for entry in json.loads(done.output)}


def test_every_setting_is_there_with_value_default_and_meaning() -> None:
    entries = shown(ALICE_PORT="8001")

    assert set(entries) == {variable(field.name) for field in fields(Settings)}
    assert entries["ALICE_PORT"] == {
        "name": "ALICE_PORT",
        "value": "8001",
        "default": "8000",
        "meaning": "The port to listen on.",
    }
    assert all(entry["meaning"].endswith(".") for entry in entries.values())


def test_secrets_are_masked() -> None:
    entries = shown(
        ALICE_SECRET_KEY="swordfish-swordfish", ALICE_DATABASE_URL="postgresql://alice:swordfish@db/alice"
    )

    assert "swordfish" not in json.dumps(entries)
    assert entries["ALICE_SECRET_KEY"]["value"]


def test_a_switch_is_shown_as_it_is_written() -> None:
    assert shown(ALICE_DEMO="no")["ALICE_DEMO"]["value"] == "0"


def test_people_get_a_table() -> None:
    done = CliRunner().invoke(main, ["config"])

    lines = done.output.splitlines()
    assert lines[0].split() == ["name", "value", "default", "meaning"]
    assert len(lines) == 1 + len(fields(Settings))


def test_a_wrong_setting_is_one_line() -> None:
    done = CliRunner().invoke(main, ["config"], env={"ALICE_PORT": "x"})

    assert done.exit_code == 1
    assert done.output.count("\n") == 1
    assert "ALICE_PORT must be a whole number" in done.output
