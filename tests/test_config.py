"""Settings: nonsense is refused by name, with what would do; secrets are made once."""

import os
import stat
import threading
from pathlib import Path

import pytest

from alice import database, migrations
from alice.app import create_app
from alice.config import ConfigError, Settings, load_secret_key, prepare_data_dir


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("ALICE_PORT", "0", "1 to 65535"),
        ("ALICE_PORT", "eighty", "whole number"),
        ("ALICE_PORT", "８０", "whole number"),
        ("ALICE_WORKERS", "-2", "1 to 64"),
        ("ALICE_THREADS", "1", "2 to 256"),
        ("ALICE_DEMO", "maybe", "0 or 1"),
        ("ALICE_REGISTRATION", "ajar", "open or closed"),
        ("ALICE_PUBLIC_URL", "alice.example.org", "https://"),
        ("ALICE_PUBLIC_URL", "https://alice.example.org/sub", "without a path"),
        ("ALICE_PUBLIC_URL", "https://me:pass@alice.example.org", "without user"),
        ("ALICE_PUBLIC_URL", "https://alice.example.org?", "without user, query"),
        ("ALICE_PUBLIC_URL", "https://alice.example.org/?a=b", "without user, query"),
        ("ALICE_PUBLIC_URL", "https://alice.example.org#top", "fragment"),
        ("ALICE_PUBLIC_URL", "https://alice.example.org:eighty", "an address such as"),
        ("ALICE_PUBLIC_URL", "https://alice.example.org:99999", "an address such as"),
        ("ALICE_PUBLIC_URL", "https://alice example.org", "no host name holds"),
        ("ALICE_PUBLIC_URL", "https://stra\u00dfe.example", "xn--"),
        ("ALICE_PUBLIC_URL", "https://[::1", "an address such as"),
        ("ALICE_PUBLIC_URL", "https://" + "x" * 70 + ".org", "an address such as"),
        ("ALICE_DATABASE_URL", "mysql://x/y", "postgresql://"),
        ("ALICE_DATABASE_URL", "postgresql://alice@db:port/alice", "the port is a number"),
        ("ALICE_DATABASE_URL", "postgresql://alice:a/b@db/alice", "the port is a number"),
        ("ALICE_DATABASE_URL", "sqlite:///:memory:", "a file"),
        ("ALICE_DATABASE_URL", "sqlite:///", "a file"),
        ("ALICE_DATABASE_URL", "sqlite:////var/lib/alice/events.db", "another name"),
        ("ALICE_SECRET_KEY", "short", "at least 16"),
        ("ALICE_CLICKHOUSE_URL", "clickhouse.example:8123", "an address such as"),
        ("ALICE_CLICKHOUSE_URL", "https://clickhouse.example:port", "an address such as"),
        ("ALICE_CLICKHOUSE_URL", "https://clickhouse..example", "an address such as"),
        ("ALICE_CLICKHOUSE_URL", "https://" + "x" * 70 + ".example", "an address such as"),
        ("ALICE_CLICKHOUSE_URL", "https://click house.example", "an address such as"),
        ("ALICE_CLICKHOUSE_URL", "https://clickhouse.example/?database=alice", "an address such as"),
        ("ALICE_CLICKHOUSE_URL", "https://clickhouse.example/alice\r", "no space and no line end"),
        ("ALICE_CLICKHOUSE_URL", "https://me:hunter2\n@clickhouse.example", "no space and no line end"),
        ("ALICE_CLICKHOUSE_URL", "https://me:hunter2 @clickhouse.example", "no space and no line end"),
        ("ALICE_CLICKHOUSE_URL", "https://me:hunter2#@clickhouse.example", "written as %40"),
        ("ALICE_CLICKHOUSE_URL", "https://m%3Ae:hunter2@clickhouse.example", "without a colon"),
        ("ALICE_TINYBIRD_URL", "https://tinybird..example", "an address such as"),
        ("ALICE_TINYBIRD_URL", "https://tinybird.example\r", "no space and no line end"),
        ("ALICE_TINYBIRD_URL", "https://tinybird.example/?token=hunter2", "an address such as"),
        ("ALICE_TINYBIRD_TOKEN", "p.hunter2\r", "no space and no line end"),
        ("ALICE_TINYBIRD_TOKEN", "p.hunter2\n", "no space and no line end"),
        ("ALICE_TINYBIRD_TOKEN", "p. hunter2", "no space and no line end"),
        ("ALICE_TINYBIRD_TOKEN", "p.hunter2\u20ac", "no space and no line end"),
        ("ALICE_POTR", "8000", "not a setting"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_what_would_do(name: str, value: str, remedy: str) -> None:
    with pytest.raises(ConfigError, match=name) as refusal:
        Settings.from_env({name: value})
    assert remedy in str(refusal.value)
    assert "hunter2" not in str(refusal.value)
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:8123",
        "http://[::1]:8123/alice",
        "https://alice:p%40ss%0A%E2%82%AC@clickhouse.example:8443/alice",
        "https://alice:\u20ac\u00e4@b\u00fccher.example/caf\u00e9",
        "https://clickhouse_1.example./",
    ],
)
def test_the_address_of_a_sink_is_taken_as_it_is(address: str) -> None:
    assert Settings.from_env({"ALICE_CLICKHOUSE_URL": address}).clickhouse_url == address


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://alice.example.org", "https://alice.example.org"),
        ("https://alice.example.org:443", "https://alice.example.org"),
        ("http://alice.example.org:80/", "http://alice.example.org"),
        ("https://alice.example.org:80", "https://alice.example.org:80"),
        ("HTTPS://Alice.Example.ORG:8443/", "https://alice.example.org:8443"),
        ("https://b\u00fccher.example", "https://xn--bcher-kva.example"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("http://192.0.2.1:8000", "http://192.0.2.1:8000"),
    ],
)
def test_the_public_address_is_kept_as_browsers_write_it(text: str, origin: str) -> None:
    assert Settings.from_env({"ALICE_PUBLIC_URL": text}).public_url == origin


def test_a_secret_that_cannot_be_used_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as refusal:
        Settings.from_env({"ALICE_DATABASE_URL": "mysql://me:hunter2@host/db"})
    assert "hunter2" not in str(refusal.value)
    with pytest.raises(ConfigError) as refusal:
        Settings.from_env({"ALICE_DATABASE_URL": "postgresql://me:hunter2/x@host/db"})
    assert "hunter2" not in str(refusal.value)


def test_an_empty_variable_counts_as_unset() -> None:
    assert Settings.from_env({"ALICE_PORT": "", "ALICE_DATABASE_URL": ""}) == Settings()


def test_https_makes_cookies_secure() -> None:
    assert Settings.from_env({"ALICE_PUBLIC_URL": "https://alice.example.org/"}).secure
    assert not Settings.from_env({"ALICE_PUBLIC_URL": "http://alice.example.org"}).secure


def test_the_secret_key_is_made_once_with_mode_0600(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    keys: list[str] = []
    threads = [threading.Thread(target=lambda: keys.append(load_secret_key(settings))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(keys)) == 1
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_a_data_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="ALICE_DATA_DIR"):
        prepare_data_dir(Settings(data_dir=tmp_path / "file" / "below"))


def test_preparing_the_data_folder_leaves_nothing_behind(tmp_path: Path) -> None:
    prepare_data_dir(Settings(data_dir=tmp_path / "new"))

    assert os.listdir(tmp_path / "new") == []


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_alice_makes_is_for_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "new")
    before = os.umask(0o000)
    try:
        create_app(settings)
        migrations.migrate(settings)
        with database.connected(), database.transaction():
            database.execute("UPDATE users SET role = role")
            modes = {path.name: mode(path) for path in settings.data_dir.iterdir()}
    finally:
        os.umask(before)
        database.alice_db.close_all()
        database.events_db.close_all()

    assert mode(settings.data_dir) == 0o700
    assert {"alice.db", "events.db", "secret_key"} <= set(modes)
    assert set(modes.values()) == {0o600}


def test_a_data_folder_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    prepare_data_dir(Settings(data_dir=tmp_path))

    assert mode(tmp_path) == 0o750
