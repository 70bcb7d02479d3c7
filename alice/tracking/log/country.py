"""The country of a request, as an ISO 3166 code, and the source it was found in.

Sources are tried in this order: a proxy's header, if the admin named one; the admin's database; the browser's
time zone. A zone of several countries counts as the one the tz database lists it under, its main city's.
"""

import logging
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import maxminddb

from alice.config import ConfigError

HEADER, DATABASE, TIMEZONE = "header", "database", "timezone"

logger = logging.getLogger(__name__)


class Country(NamedTuple):
    code: str | None  # two capital letters
    source: str | None  # header, database or timezone


UNKNOWN = Country(None, None)


class Countries:
    """Finds the country of a request.

    `header` is a proxy's header, such as CF-IPCountry. It is trusted: name one only if the proxy sets it in
    every request. `mmdb` is a country or city database in MaxMind's format. It is mapped into memory: replace
    it by renaming a new file to its name, never by overwriting it. The new file is read after a restart.

    Raises ConfigError if that file cannot be read as such a database.
    """

    def __init__(self, header: str | None = None, mmdb: Path | None = None) -> None:
        self._header = f"HTTP_{header.upper().replace('-', '_')}" if header else None
        self._reader = _open(mmdb) if mmdb else None

    def find(self, environ: Mapping[str, Any], address: str, timezone: str | None) -> Country:
        """The country from the first source that knows it, else UNKNOWN. Raises nothing."""
        if self._header and (code := _code(environ.get(self._header))):
            return Country(code, HEADER)
        if self._reader is not None and (code := self._look_up(self._reader, address)):
            return Country(code, DATABASE)
        if timezone and (code := _of_zones().get(timezone)):
            return Country(code, TIMEZONE)
        return UNKNOWN

    def _look_up(self, reader: maxminddb.Reader, address: str) -> str | None:
        try:
            return _in_record(reader.get(_plain(address)))
        except ValueError:
            return None  # not an address, or IPv6 in a database of IPv4 only
        except maxminddb.InvalidDatabaseError:
            logger.error("The country database is damaged; time zones are used until a restart.")
            self._reader = None
            return None


def _open(path: Path) -> maxminddb.Reader:
    try:
        return maxminddb.open_database(path, maxminddb.MODE_AUTO)
    except (OSError, maxminddb.InvalidDatabaseError):
        raise ConfigError(
            f"ALICE_COUNTRY_DATABASE: {path} is not a readable .mmdb file. Download it again, or unset it."
        ) from None


def _plain(address: str) -> str:
    """Convert an IPv4-mapped IPv6 address (::ffff:192.0.2.1), as dual-stack sockets give it, to IPv4."""
    return address.lower().removeprefix("::ffff:") if "." in address else address


def _in_record(record: Any) -> str | None:
    """The code in a record: `{"country": {"iso_code": "DE"}}`, or flat, as some vendors have it."""
    if not isinstance(record, dict):
        return None
    for name in ("country", "registered_country", "country_code"):
        value = record.get(name)
        if code := _code(value.get("iso_code") if isinstance(value, dict) else value):
            return code
    return None


def _code(text: Any) -> str | None:
    """The country code in capitals; None for any other value, such as XX and T1."""
    if not isinstance(text, str):
        return None
    code = text.strip().upper()
    return code if code in _codes() else None


# The tz database


@cache
def _codes() -> frozenset[str]:
    return frozenset(code for code, *_ in _rows("iso3166.tab")) | {"XK"}  # Kosovo: not ISO, but widely used


@cache
def _of_zones() -> dict[str, str]:
    """Time zone -> country: about 520 names, old ones included, since browsers still send Asia/Calcutta."""
    countries = {zone: code for code, _, zone, *_ in _rows("zone.tab")}
    links = [line.split() for line in _lines("tzdata.zi") if line.startswith("L ")]
    for _, zone, name in links:
        if "/" in name and name not in countries and zone in countries:
            countries[name] = countries[zone]
    return countries | _MERGED


# Old names that the tz database links to a zone with the same clock in another country.
_MERGED = {
    "Africa/Asmera": "ER",
    "Africa/Timbuktu": "ML",
    "America/Coral_Harbour": "CA",
    "America/Virgin": "VI",
    "Antarctica/South_Pole": "AQ",
    "Atlantic/Jan_Mayen": "SJ",
    "Pacific/Johnston": "UM",
    "Pacific/Ponape": "FM",
    "Pacific/Truk": "FM",
    "Pacific/Yap": "FM",
}


def _rows(name: str) -> list[list[str]]:
    return [line.split("\t") for line in _lines(name) if not line.startswith("#")]


def _lines(name: str) -> list[str]:
    return files("tzdata").joinpath("zoneinfo", name).read_text("utf-8").splitlines()
