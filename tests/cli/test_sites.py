"""`alice sites` adds, lists, changes and removes what is tracked."""

import json

import pytest

from alice.clock import minutes
from alice.config import Settings
from alice.tracking.privacy.salt import Salts
from alice.tracking.site import SiteRow
from tests.cast import Cast
from tests.cli.running import Alice
from tests.conftest import EventRows
from tests.tracking.calling import site


def test_a_site_is_added_and_its_line_of_html_printed(alice: Alice, events_db: EventRows) -> None:
    done = alice("sites", "add", "https://Wonderland.example/", ALICE_PUBLIC_URL="https://alice.example.com")

    id = events_db.one("SELECT id FROM sites")
    assert (done.exit_code, done.output.splitlines()) == (
        0,
        [
            f"Added wonderland.example ({id}).",
            f'<script defer src="https://alice.example.com/tracker.js" data-site-id="{id}"></script>',
        ],
    )


def test_without_a_public_address_the_line_says_what_to_replace(alice: Alice) -> None:
    done = alice("sites", "add", "a.example")

    assert 'src="https://alice.example.org/tracker.js"' in done.stdout
    assert done.stderr == (
        "Replace https://alice.example.org in this line by the address at which browsers reach Alice, "
        "or set ALICE_PUBLIC_URL, which prints the right line.\n"
    )


def test_only_a_new_site_is_named_by_its_domain(alice: Alice) -> None:
    assert "the domain if not given" in " ".join(alice("sites", "add", "--help").output.split())
    assert "the domain if not given" not in " ".join(alice("sites", "set", "--help").output.split())


def test_files_that_removing_a_site_leaves_are_named(alice: Alice, settings: Settings) -> None:
    alice("sites", "add", "a.example")
    found, _ = site.everyones()
    folder = settings.data_dir / "ndjson"
    folder.mkdir()
    (folder / "events_v1-2025-01-20.ndjson").write_text("{}\n")

    assert "ndjson/" in alice("sites", "remove", "--help").output
    assert alice("sites", "remove", found.id, "--yes").stderr == (
        f"Copies were not deleted: the files in {folder}.\n"
    )


def test_sites_are_listed_for_programs(alice: Alice, cast: Cast) -> None:
    alice("sites", "add", "a.example")
    alice(
        "sites",
        "add",
        "b.example",
        "--name",
        "B",
        "--owner",
        cast.consultant.email,
        "--origin",
        "http://localhost:1",
        "--origin",
        "https://app.b.example",
        "--idle-minutes",
        "10",
        "--retention-days",
        "90",
    )

    second, first, _ = json.loads(alice("sites", "list", "--json").output)
    assert first["owner_id"] is None and second.pop("id") and second.pop("created_at").endswith("Z")
    assert second == {
        "domain": "b.example",
        "name": "B",
        "owner_id": cast.consultant.id,
        "owner_email": cast.consultant.email,
        "origins": ["http://localhost:1", "https://app.b.example"],
        "idle_minutes": 10,
        "retention_days": 90,
    }


def test_sites_are_listed_for_people(alice: Alice, cast: Cast) -> None:
    alice("sites", "add", "a.example", "--owner", cast.admin.email)

    heads, row, _ = alice("sites", "list").output.splitlines()
    assert heads.split() == ["id", "domain", "owner", "idle", "kept", "name"]
    assert row.split()[1:] == ["a.example", cast.admin.email, "30", "min", "for", "ever", "a.example"]


def test_a_site_is_changed_in_what_is_given(alice: Alice) -> None:
    alice("sites", "add", "a.example", "--origin", "https://b.example", "--retention-days", "30")
    before, bystanders = site.everyones()
    done = alice("sites", "set", before.id, "--idle-minutes", "5", "--no-origins", "--retention-days", "0")

    assert (done.exit_code, done.output) == (0, f"Changed a.example ({before.id}).\n")
    changed = before._replace(idle_ms=minutes(5), origins=frozenset(), retention_days=None)
    assert site.everyones() == [changed, bystanders]


def test_a_site_is_removed_when_that_is_confirmed(alice: Alice) -> None:
    alice("sites", "add", "a.example")
    found, bystanders = site.everyones()

    assert alice("sites", "remove", found.id, input="n\n").exit_code == 1
    assert site.everyones() == [found, bystanders]
    assert alice("sites", "remove", found.id, "--yes").output == f"Removed a.example ({found.id}).\n"
    assert site.everyones() == [bystanders]


def test_a_removed_sites_salts_are_destroyed_at_once(alice: Alice, settings: Settings) -> None:
    alice("sites", "add", "a.example")
    found, _ = site.everyones()
    salts = Salts(settings.data_dir)
    salts.known(found.id)
    salts.get(found.id, 20_000)
    alice("sites", "remove", found.id, "--yes")

    assert list((settings.data_dir / "salts").iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("remove", "nowhere", "--yes"), "There is no site nowhere. `alice sites list` shows them all."),
        (("set", "nowhere", "--name", "X"), "There is no site nowhere. `alice sites list` shows them all."),
        (("add", "a.example", "--owner", "who@example.com"), "There is no user who@example.com."),
        (("add", "a.example", "--owner", "reader@example.com"), "`alice users set-role` changes that."),
        (("add", "a.example", "--name", "Alice"), "is for Alice's own pages."),
        (("add", "two words"), "must be a domain such as example.org."),
        (("add", "a.example", "--origin", "a.example"), "must be an address such as"),
        (("add", "a.example", "--idle-minutes", "4"), "5<=x<=30"),
        (("set", "nowhere"), "Nothing to change."),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_mistake_is_told_with_the_remedy(
    alice: Alice, events_db: EventRows, arguments: tuple[str, ...], says: str
) -> None:
    done = alice("sites", *arguments)

    assert done.exit_code in (1, 2)
    assert says in done.stderr
    assert events_db.one("SELECT COUNT(*) FROM sites") == 0


def test_alices_own_site_stays(alice: Alice, own_site: SiteRow, events_db: EventRows) -> None:
    assert "ALICE_TRACK_PAGES=0" in alice("sites", "remove", own_site.id, "--yes").stderr
    assert "keeps its name" in alice("sites", "set", own_site.id, "--name", "X").stderr
    assert alice("sites", "set", own_site.id, "--retention-days", "30").exit_code == 0
    assert events_db.query("SELECT name, retention_days FROM sites") == [("Alice", 30)]
