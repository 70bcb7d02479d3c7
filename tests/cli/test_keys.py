"""`alice keys` makes, lists and revokes the API keys of sites."""

import json
import re
import shlex
from pathlib import Path

import pytest

from alice import clock
from alice.app import create_app
from alice.config import Settings
from alice.tracking.site import SiteRow
from tests.cli.running import Alice
from tests.conftest import EventRows
from tests.tracking.calling import api_key, site


@pytest.fixture
def wonderland(settings: Settings) -> SiteRow:
    return site.create("wonderland.example", "Wonderland", owner_id=None)


def test_a_key_is_printed_once_and_nothing_else(alice: Alice, wonderland: SiteRow) -> None:
    done = alice("keys", "create", "--site", wonderland.id, "--scope", "ingest", "--name", "server")

    found = api_key.check(done.stdout.strip())
    assert (done.exit_code, found.site_id, found.scope) == (0, wonderland.id, "ingest")
    assert f"`alice keys revoke {found.id}`" in done.stderr
    assert done.stdout.strip() not in alice("keys", "list", "--json").output


def test_keys_are_listed_for_programs_and_people(
    alice: Alice, wonderland: SiteRow, frozen_clock: int
) -> None:
    other = site.create("elsewhere.example", "Elsewhere", owner_id=None)
    made = api_key.create(wonderland.number, "read", "auditor")
    clock.advance(1)
    api_key.create(other.number, "ingest", "server")

    (listed,) = json.loads(alice("keys", "list", "--site", wonderland.id, "--json").output)
    assert listed.pop("created_at").endswith("Z")
    assert listed == {
        "id": made.id,
        "site_id": wonderland.id,
        "name": "auditor",
        "scope": "read",
        "last_used_at": None,
        "revoked_at": None,
    }
    heads, newest, oldest, *_ = alice("keys", "list").output.splitlines()
    assert heads.split() == ["id", "site", "scope", "last", "used", "revoked", "name"]
    assert newest.split()[1:] == [other.id, "ingest", "never", "no", "server"]
    assert oldest.split() == [made.id, wonderland.id, "read", "never", "no", "auditor"]


def test_a_key_is_revoked_once(alice: Alice, wonderland: SiteRow) -> None:
    made = api_key.create(wonderland.number, "read", "auditor")
    done, again = alice("keys", "revoke", made.id), alice("keys", "revoke", made.id)

    assert (done.exit_code, done.output) == (0, f"Revoked {made.id}.\n")
    assert api_key.check(made.key) is None
    assert (again.exit_code, again.stderr) == (
        1,
        f"Error: There is no active key {made.id}. `alice keys list` shows them all.\n",
    )


def test_the_requests_in_the_readme_are_taken(
    alice: Alice, settings: Settings, wonderland: SiteRow, events_db: EventRows
) -> None:
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text()
    block = re.search(r"```sh\nsite=\S+\nkey=\$\(\.venv/bin/alice (.*)\)\n(.*?)```", readme, re.DOTALL)
    command, requests = (text.replace("$site", wonderland.id) for text in block.groups())
    key = alice(*shlex.split(command)).stdout.strip()
    client = create_app(settings).test_client(use_cookies=False)

    for request in requests.replace("$key", key).split("curl -s ")[1:]:
        address, *words = shlex.split(request, comments=True)
        headers = dict([words[words.index("-H") + 1].split(": ")]) if "-H" in words else {}
        answer = client.post(address, json=json.loads(words[words.index("--json") + 1]), headers=headers)
        assert (answer.status_code, answer.json["success"]) == (200, True)

    assert (
        events_db.query("SELECT s.text FROM events e JOIN strings s ON s.number = e.path") == [("/tea",)] * 2
    )


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("create", "--site", "nowhere", "--scope", "read", "--name", "x"), 1),
        (("create", "--site", "nowhere", "--scope", "write", "--name", "x"), 2),
        (("create", "--site", "nowhere", "--scope", "read"), 2),
        (("create", "--site", "nowhere", "--scope", "read", "--name", "two\nlines"), 1),
        (("list", "--site", "nowhere"), 1),
    ],
)
def test_a_mistake_makes_no_key(
    alice: Alice, wonderland: SiteRow, arguments: tuple[str, ...], status: int
) -> None:
    done = alice("keys", *arguments)

    assert (done.exit_code, done.stdout) == (status, "")
    assert api_key.everyones(wonderland.number) == []
