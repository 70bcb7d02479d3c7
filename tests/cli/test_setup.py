"""`alice setup`: one command from an empty folder to something that can be served."""

import json
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from alice import database
from alice.config import Settings
from tests.cli.running import Alice
from tests.servers import ALICE, CHECKOUT, Server, environment, run, serving

ACCOUNT = re.compile(r"^ +(reader|consultant|admin)@example\.com +(\S+)$", re.MULTILINE)
CODE = re.compile(r"[A-Z0-9]{4}-[A-Z0-9]{4}-[A-Z0-9]{4}")


def in_folder(folder: Path) -> Alice:
    return Alice({"ALICE_DATA_DIR": str(folder)})


def users(alice: Alice) -> list[str]:
    return [user["email"] for user in json.loads(alice("users", "list", "--json").stdout)]


@pytest.fixture
def alice(tmp_path: Path) -> Iterator[Alice]:
    """Commands in a folder that is empty at first."""
    yield in_folder(tmp_path)
    database.disconnect()


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, str]:
    """A folder after its first `alice setup`, and what that said."""
    settings = Settings(data_dir=tmp_path_factory.mktemp("home") / "data")
    done = in_folder(settings.data_dir)("setup")
    database.disconnect()
    assert done.exit_code == 0, done.stderr
    return settings, done.stdout


@pytest.fixture(scope="module")
def server(first: tuple[Settings, str]) -> Iterator[Server]:
    with serving(first[0]) as server:
        yield server


def test_the_first_start_prints_three_accounts_and_a_code_once(first: tuple[Settings, str]) -> None:
    settings, output = first

    assert {role for role, _ in ACCOUNT.findall(output)} == {"reader", "consultant", "admin"}
    assert len(CODE.findall(output)) == 1
    assert "Loaded Alice" in output
    again = run(settings, "setup")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_what_it_printed_is_true(first: tuple[Settings, str], server: Server) -> None:
    for role, password in ACCOUNT.findall(first[1]):
        login = server.post("/api/auth/login", {"email": f"{role}@example.com", "password": password})
        assert login.status == 200
        assert login.json["user"]["role"] == role
        assert login.json["user"]["is_verified"] == (role == "reader")
    token = login.json["access_token"]
    assert server.get("/api/books/alice-in-wonderland/pages/1", token).status == 200


def test_the_secret_key_is_for_its_owner_only(server: Server) -> None:
    assert (server.data_dir / "secret_key").stat().st_mode & 0o777 == 0o600


LIBRARIES = "import click, flask, flask_login, gunicorn.arbiter, peewee, pydantic"


def test_a_second_start_is_little_work(first: tuple[Settings, str]) -> None:
    """In processor time of all its processes, less than eight times what loading the libraries takes: two
    seconds where that is a quarter of one. Elapsed time says little here."""
    began = processor_time()
    subprocess.run([sys.executable, "-c", LIBRARIES], check=True)
    loaded = processor_time()
    run(first[0], "setup")
    with serving(first[0]):
        pass

    assert processor_time() - loaded < 8 * (loaded - began)


def processor_time() -> float:
    """Seconds that the children of this process have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def sites(alice: Alice) -> list[dict]:
    return json.loads(alice("sites", "list", "--json").stdout)


def test_it_makes_alices_own_site_once_and_gives_it_her_address(alice: Alice) -> None:
    alice("setup")
    (own,) = sites(alice)
    assert (own["name"], own["owner_id"], own["domain"]) == ("Alice", None, "localhost")

    alice("setup", ALICE_PUBLIC_URL="https://alice.example.org")
    assert sites(alice) == [own | {"domain": "alice.example.org"}]


def test_it_makes_alices_own_site_for_those_who_had_alice_before(alice: Alice) -> None:
    alice("db", "migrate")
    alice("books", "import", str(CHECKOUT / "data" / "alice-in-wonderland.md"))
    assert sites(alice) == []

    assert alice("setup").output == ""
    assert [site["name"] for site in sites(alice)] == ["Alice"]
    assert users(alice) == []


def test_passwords_are_stored_nowhere_in_clear(first: tuple[Settings, str]) -> None:
    settings, output = first
    stored = b"".join(path.read_bytes() for path in settings.data_dir.iterdir() if path.is_file())

    for _, password in ACCOUNT.findall(output):
        assert password.encode() not in stored


def test_without_demo_there_are_no_accounts_then_or_later(alice: Alice) -> None:
    done = alice("setup", ALICE_DEMO="0")

    assert done.exit_code == 0
    assert "Loaded Alice" in done.stdout
    assert ACCOUNT.findall(done.stdout) == []
    assert (alice("setup").output, users(alice)) == ("", [])


def test_with_everybody_deleted_they_do_not_come_back(alice: Alice) -> None:
    alice("setup")
    for email in users(alice):
        assert alice("users", "delete", email, "--yes").exit_code == 0

    assert (alice("setup").output, users(alice)) == ("", [])


def test_where_there_are_users_there_are_no_first_accounts(alice: Alice) -> None:
    alice("db", "migrate")
    alice("users", "add", "alice@example.org")

    output = alice("setup").stdout
    assert "Loaded Alice" in output
    assert (ACCOUNT.findall(output), CODE.findall(output)) == ([], [])
    assert users(alice) == ["alice@example.org"]


def test_a_first_setup_that_could_not_show_the_passwords_is_repeated(alice: Alice, tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        failed = subprocess.run(
            [*ALICE, "setup"],
            cwd=CHECKOUT,
            env=environment(Settings(data_dir=tmp_path)),
            stdout=full,
            stderr=subprocess.DEVNULL,
        )
    assert (failed.returncode != 0, users(alice)) == (True, [])

    output = alice("setup").stdout
    assert [f"{role}@example.com" for role, _ in sorted(ACCOUNT.findall(output))] == users(alice)
    assert len(users(alice)) == 3
    assert len(CODE.findall(output)) == 1


def test_a_first_setup_that_was_killed_is_repeated(alice: Alice, tmp_path: Path) -> None:
    with subprocess.Popen(
        [*ALICE, "setup"],
        cwd=CHECKOUT,
        env=environment(Settings(data_dir=tmp_path)),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as first:
        loaded = first.stdout.readline()
        first.kill()
        rest = first.stdout.read()

    again = alice("setup").stdout
    assert loaded.startswith("Loaded Alice")
    assert len(ACCOUNT.findall(again) or ACCOUNT.findall(rest)) == 3
    assert len(users(alice)) == 3


def test_it_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    done = run(Settings(data_dir=tmp_path / "file"), "setup")

    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
