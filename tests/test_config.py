"""Settings: invalid values are refused with the name and the remedy; secrets are made once."""

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
        ("ALICE_PUBLIC_URL", "ftp://alice.example.org", "without a path"),
        ("ALICE_SECRET_KEY", "hunter2", "at least 16"),
        ("ALICE_DATABASE_URL", "hunter2", "postgresql://"),
        ("ALICE_CLICKHOUSE_URL", "hunter2", "an address such as"),
        ("ALICE_PUBLIC_URL", "https://me:pass@alice.example.org", "without user"),
        ("ALICE_PUBLIC_URL", "https://alice.example.org?", "without user, query"),
        ("ALICE_PUBLIC_URL", "https://alice.example.org/?a=b", "without user, query"),
        ("ALICE_PUBLIC_URL", "https://alice.example.org#top", "fragment"),
        ("ALICE_PUBLIC_URL", "https://alice.example.org:eighty", "an address such as"),
        ("ALICE_PUBLIC_URL", "https://alice.example.org:99999", "an address such as"),
        ("ALICE_PUBLIC_URL", "https://alice example.org", "no host name may have"),
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
    ("name", "low", "default", "high"),
    [
        ("port", 1, 8000, 65_535), ("workers", 1, 2, 64), ("threads", 2, 16, 256),
        ("trusted_proxies", 0, 0, 10), ("session_hours", 1, 24, 8760), ("remember_days", 1, 30, 365),
        ("staff_idle_minutes", 1, 60, 1440), ("track_per_address", 1, 600, 10_000_000),
        ("track_per_site", 1, 60_000, 10_000_000), ("sink_batch", 1, 50, 1000), ("sink_seconds", 1, 30, 3600),
    ],
)  # fmt: skip
def test_a_number_has_a_default_and_bounds(name: str, low: int, default: int, high: int) -> None:
    variable = f"ALICE_{name.upper()}"

    assert getattr(Settings.from_env({}), name) == default
    for number in (low, high):
        assert getattr(Settings.from_env({variable: str(number)}), name) == number
    for number in (low - 1, high + 1):
        message = f"{variable} must be a whole number from {low} to {high}, not '{number}'"
        with pytest.raises(ConfigError, match=message):
            Settings.from_env({variable: str(number)})


def test_unless_told_otherwise_alice_is_open_on_this_machine_and_copies_nothing() -> None:
    settings = Settings.from_env({})

    assert (settings.host, settings.registration) == ("127.0.0.1", "open")
    assert (settings.demo, settings.require_book_code, settings.track_pages) == (True, True, True)
    assert (settings.ndjson, settings.clickhouse_url, settings.tinybird_token) == (False, None, None)
    assert (settings.database_url, settings.public_url, settings.secret_key) == (None, None, None)
    assert (settings.country_header, settings.country_database) == (None, None)
    assert (settings.tinybird_url, settings.secure) == ("https://api.tinybird.co", False)
    assert settings.data_dir == Path(__file__).parent.parent / "data" / "local"


@pytest.mark.parametrize(
    ("text", "on"),
    [(text, True) for text in ("1", "true", "Yes", "ON")]
    + [(text, False) for text in ("0", "FALSE", "no", "off")],
)
def test_a_switch_is_on_or_off_in_several_words(text: str, on: bool) -> None:
    found = Settings.from_env({"ALICE_DEMO": text, "ALICE_NDJSON": text})

    assert (found.demo, found.ndjson) == (on, on)


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("secret_key", "k" * 16, "k" * 15), ("registration", "closed", "Closed"),
        ("database_url", "sqlite:////var/lib/alice/books.db", "sqlite:////var/lib/alice/"),
        ("database_url", "postgresql://alice@db/alice", "sqlite://alice.db"),
        ("database_url", "postgres://alice:p%40ss@db:5432/alice", "postgres:alice"),
        ("country_header", "h" * 64, "h" * 65), ("country_header", "CF-IPCountry", "CF_IPCountry"),
        ("clickhouse_url", "http://clickhouse.example:1", "http://clickhouse.example:0"),
        ("clickhouse_url", "http://clickhouse.example", "ftp://clickhouse.example"),
        ("clickhouse_url", "http://clickhouse.example/a", "http://clickhouse.example/#a"),
        ("tinybird_token", "p.!~", "p.\x7f"),
    ],
)  # fmt: skip
def test_a_text_is_taken_as_it_is_or_refused(name: str, good: str, bad: str) -> None:
    variable = f"ALICE_{name.upper()}"

    assert getattr(Settings.from_env({variable: good}), name) == good
    with pytest.raises(ConfigError, match=variable):
        Settings.from_env({variable: bad})


@pytest.mark.parametrize(("after", "good"), [(0, True), (131_072 - 14, True), (131_072 - 13, False)])
def test_a_country_database_is_known_by_its_last_128_kb(tmp_path: Path, after: int, good: bool) -> None:
    path = tmp_path / "countries.mmdb"
    path.write_bytes(b"x" * 200_000 + b"\xab\xcd\xefMaxMind.com" + bytes(after))

    if good:
        assert Settings.from_env({"ALICE_COUNTRY_DATABASE": str(path)}).country_database == path
        return
    with pytest.raises(ConfigError, match=r"an \.mmdb file; download it again"):
        Settings.from_env({"ALICE_COUNTRY_DATABASE": str(path)})


def test_a_country_database_is_a_file_that_exists(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a file that exists"):
        Settings.from_env({"ALICE_COUNTRY_DATABASE": str(tmp_path)})


def test_only_variables_of_alice_are_read() -> None:
    others = {"PORT": "1", "ALICE_TEST_PORT": "1", "MY_ALICE_PORT": "1"}

    assert Settings.from_env(others) == Settings()


@pytest.mark.parametrize(("value", "repeated"), [("ajar", True), ("me:x@y", False), ("x?token=y", False)])
def test_a_value_is_repeated_unless_it_may_be_an_address(value: str, repeated: bool) -> None:
    with pytest.raises(ConfigError) as refusal:
        Settings.from_env({"ALICE_REGISTRATION": value})

    assert (value in str(refusal.value)) is repeated


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


def test_a_secret_key_of_the_settings_is_the_key(tmp_path: Path) -> None:
    assert load_secret_key(Settings(data_dir=tmp_path, secret_key="k" * 16)) == "k" * 16
    assert os.listdir(tmp_path) == []


def test_the_secret_key_is_made_once_with_mode_0600(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    keys: list[str] = []
    threads = [threading.Thread(target=lambda: keys.append(load_secret_key(settings))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(keys)) == 1
    assert len(keys[0]) == 43
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
