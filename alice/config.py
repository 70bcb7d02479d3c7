"""Settings: every ALICE_* variable, its default, its meaning and its check, in one place."""

import os
import re
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from playhouse.db_url import parse

DEFAULT_PORTS = {"http": 80, "https": 443}
HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?")
CHECKOUT = Path(__file__).resolve().parent.parent


class ConfigError(Exception):
    """Alice cannot run as it is set up; the message names the cause and, where there is one, the remedy."""


def setting(default: Any, read: Callable[[str], Any], meaning: str, *, secret: bool = False) -> Any:
    """Declare a setting: `read` turns the variable's text into the value or raises ValueError."""
    return field(default=default, metadata={"read": read, "meaning": meaning, "secret": secret})


def whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return read


def switch(text: str) -> bool:
    if text.lower() not in ("0", "1", "false", "true", "no", "yes", "off", "on"):
        raise ValueError("0 or 1")
    return text.lower() in ("1", "true", "yes", "on")


def choice(*names: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in names:
            raise ValueError(" or ".join(names))
        return text

    return read


def matching(pattern: str, meaning: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not re.fullmatch(pattern, text, re.DOTALL):
            raise ValueError(meaning)
        return text

    return read


secret_key = matching(".{16,}", "at least 16 characters")
header = matching("[A-Za-z0-9-]{1,64}", "the name of a header, such as CF-IPCountry")
bearer_token = matching(
    "[!-~]+", "the token as you received it: ASCII characters, with no space and no line end"
)


def origin(text: str) -> str:
    """Convert an address to the form of an `Origin` header: lower case, IDN as xn--, no default port."""
    try:
        parts = urlsplit(text)
        host, port = _ascii_host(parts.hostname or ""), parts.port
    except ValueError as error:
        raise ValueError(f"an address such as https://alice.example.org ({error})") from None
    if parts.scheme not in DEFAULT_PORTS or not host or parts.path not in ("", "/"):
        raise ValueError("an address such as https://alice.example.org, without a path")
    if "@" in parts.netloc or "?" in text or "#" in text:
        raise ValueError("an address such as https://alice.example.org, without user, query and fragment")
    return f"{parts.scheme}://{host}" + (
        f":{port}" if port not in (None, DEFAULT_PORTS[parts.scheme]) else ""
    )


def _ascii_host(host: str) -> str:
    if ":" in host:
        return f"[{ip_address(host)}]"
    encoded = host.encode("idna").decode()
    # The standard library knows only the older IDNA rules, by which for instance ß becomes ss.
    if encoded.encode().decode("idna") != host and encoded != host:
        raise ValueError("write the name in its xn-- form")
    if not HOST.fullmatch(encoded):
        raise ValueError("it contains a character that no host name may have")
    return encoded


def database_url(text: str) -> str:
    if not text.startswith(("sqlite:///", "postgresql://", "postgres://")):
        raise ValueError("sqlite:////absolute/path.db or postgresql://user@host/name")
    try:
        name = parse(text)["database"]
    except ValueError:
        raise ValueError(
            "sqlite:////absolute/path.db or postgresql://user@host:port/name; the port is a number, and "
            "special characters in a password are written as %40"
        ) from None
    if text.startswith("sqlite"):
        if name in ("", ":memory:") or name.endswith("/"):
            raise ValueError("sqlite:////absolute/path.db: a file, because several processes share it")
        if Path(name).name == "events.db":
            raise ValueError("a file with another name: Alice keeps tracking in events.db beside it")
    return text


def mmdb(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ValueError("a file that exists")
    with path.open("rb") as opened:  # the marker of its metadata is in the last 128 KB
        opened.seek(max(0, path.stat().st_size - 131_072))
        if b"\xab\xcd\xefMaxMind.com" not in opened.read():
            raise ValueError("an .mmdb file; download it again")
    return path


def peer_url(text: str) -> str:
    """Check the address of a server that Alice sends to; it may hold a user, a password and a path."""
    try:
        parts = urlsplit(text)
        _ascii_host(parts.hostname or "")
        valid = parts.scheme in DEFAULT_PORTS and parts.port != 0 and not parts.query and not parts.fragment
    except ValueError:  # its message may hold the password
        valid = False
    if not valid or not text.isprintable() or " " in text:
        raise ValueError(
            "an address such as https://user:password@example.org:8443/name, with no space and no line end; "
            "special characters in the password are written as %40"
        )
    if ":" in unquote(parts.username or ""):
        raise ValueError("an address whose user is written without a colon")
    return text


@dataclass(frozen=True, kw_only=True)
class Settings:
    """One field per setting; its variable is ALICE_ and the field's name in capitals."""

    data_dir: Path = setting(
        CHECKOUT / "data" / "local", Path, "The folder for everything that Alice writes."
    )
    host: str = setting("127.0.0.1", str, "The address to listen on.")
    port: int = setting(8000, whole(1, 65535), "The port to listen on.")
    workers: int = setting(2, whole(1, 64), "Server processes.")
    threads: int = setting(16, whole(2, 256), "Threads in each process.")
    trusted_proxies: int = setting(
        0, whole(0, 10), "How many proxies in front of Alice set X-Forwarded-For and -Proto."
    )
    database_url: str | None = setting(
        None,
        database_url,
        "Another SQLite file or a PostgreSQL database; unset: alice.db in the data folder.",
        secret=True,
    )
    secret_key: str | None = setting(
        None, secret_key, "Signs form tokens; unset: made once and kept in the data folder.", secret=True
    )
    public_url: str | None = setting(
        None, origin, "The address readers type, if a proxy stands in front. https makes cookies Secure."
    )
    demo: bool = setting(True, switch, "Create three accounts and a code on the first start.")
    registration: str = setting("open", choice("open", "closed"), "Who may register: open or closed.")
    require_book_code: bool = setting(True, switch, "Readers need a code from their book to open its pages.")
    session_hours: int = setting(24, whole(1, 8760), "Hours until a sign-in ends.")
    remember_days: int = setting(30, whole(1, 365), "Days until a reader who stays signed in is asked again.")
    staff_idle_minutes: int = setting(
        60, whole(1, 1440), "Minutes without a request after which a consultant or admin is signed out."
    )
    track_pages: bool = setting(
        True, switch, "Count visits to Alice's own pages, without cookies; see the privacy page."
    )
    track_per_address: int = setting(
        600, whole(1, 10_000_000), "Events a minute that one address may send, to each process."
    )
    track_per_site: int = setting(
        60_000, whole(1, 10_000_000), "Events a minute that one site may get, in each process."
    )
    country_header: str | None = setting(
        None, header, "The header in which your proxy says the visitor's country, such as CF-IPCountry."
    )
    country_database: Path | None = setting(
        None, mmdb, "An .mmdb file that tells the country of an address; unset: the time zone tells it."
    )
    clickhouse_url: str | None = setting(
        None,
        peer_url,
        "Copy events to ClickHouse: http(s)://user:password@host:8123/database.",
        secret=True,
    )
    tinybird_url: str = setting("https://api.tinybird.co", peer_url, "The Tinybird region of the token.")
    tinybird_token: str | None = setting(
        None, bearer_token, "Copy events to Tinybird, with this token (scope DATASOURCE:APPEND).", secret=True
    )
    ndjson: bool = setting(False, switch, "Copy events to files in the data folder (ndjson/), a line each.")
    sink_batch: int = setting(50, whole(1, 1000), "Events in a batch to a sink.")
    sink_seconds: int = setting(30, whole(1, 3600), "Seconds after which a batch is sent that is not full.")
    backup_dir: Path | None = setting(
        None, Path, "Write a backup into this folder every ALICE_BACKUP_HOURS; the newest seven are kept."
    )
    backup_hours: int = setting(24, whole(1, 8760), "Hours between two backups.")
    help_contact: str = setting(
        "the person who runs this site", str, "The person to ask, named on the forgotten-password page."
    )

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the ALICE_* variables; an empty one counts as unset.

        Raises ConfigError for a value that cannot be used and for an unknown ALICE_ name.
        """
        declared = {variable(f.name): f for f in fields(cls)}
        values = {}
        for name, text in environ.items():
            if not name.startswith("ALICE_") or name.startswith("ALICE_TEST_") or not text:
                continue
            if name not in declared:
                raise ConfigError(f"{name} is not a setting; `alice config` lists them all.")
            try:
                values[declared[name].name] = declared[name].metadata["read"](text)
            except ValueError as error:
                # An address may hold a password before the @ or a token after the ?.
                secret = declared[name].metadata["secret"] or "@" in text or "?" in text
                given = "" if secret else f", not {text!r}"
                raise ConfigError(f"{name} must be {error}{given}.") from None
        return cls(**values)

    @property
    def secure(self) -> bool:
        """Whether `public_url` is https, so readers reach Alice over TLS."""
        return (self.public_url or "").startswith("https://")


def variable(name: str) -> str:
    """The environment variable of a field."""
    return f"ALICE_{name.upper()}"


def prepare_data_dir(settings: Settings) -> None:
    """Create the data folder with mode 0700; raise ConfigError if it is not writable."""
    probe = settings.data_dir / f".write-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise ConfigError(
            f"The data folder {settings.data_dir} cannot be written ({error.strerror}). "
            "Set ALICE_DATA_DIR to a folder that can."
        ) from None


def load_secret_key(settings: Settings) -> str:
    """Return the key from the settings, else from the data folder, created on first use with mode 0600."""
    if settings.secret_key:
        return settings.secret_key
    path = settings.data_dir / "secret_key"
    if not path.exists():
        with suppress(FileExistsError):  # another process was faster; all use its key
            create_private(path, secrets.token_urlsafe(32).encode())
    return path.read_text().strip()


def create_private(path: Path, content: bytes) -> None:
    """Create a file with mode 0600, whole from its first moment. Raises FileExistsError if there is one."""
    draft = path.with_name(f".{path.name}-{os.getpid()}-{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    try:
        os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
