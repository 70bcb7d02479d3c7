"""A visit's country, and its source: a proxy's header, a database or the time zone."""

import logging
from collections.abc import Callable
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

import pytest

from alice.config import ConfigError
from alice.tracking.log import country
from alice.tracking.log.country import UNKNOWN, Countries

HEADER = "CF-IPCountry"
NONE = (None, None)


def test_the_proxys_header_is_believed_first(mmdb: Path) -> None:
    countries = Countries(HEADER, mmdb)

    assert countries.find({"HTTP_CF_IPCOUNTRY": "fr"}, "192.0.2.1", "Asia/Tokyo") == ("FR", "header")


def test_a_header_that_is_not_configured_is_ignored() -> None:
    assert Countries().find({"HTTP_CF_IPCOUNTRY": "FR"}, "192.0.2.1", None) == UNKNOWN


@pytest.mark.parametrize("text", ["XX", "T1", "", "ZZ", "EU", "France", "F", "\0\0", "ＦＲ"])
def test_a_header_that_names_no_country_leaves_it_to_the_others(text: str) -> None:
    countries = Countries(HEADER)

    assert countries.find({"HTTP_CF_IPCOUNTRY": text}, "192.0.2.1", None) == NONE
    assert countries.find({"HTTP_CF_IPCOUNTRY": text}, "192.0.2.1", "Asia/Tokyo") == ("JP", "timezone")


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("192.0.2.1", "DE"),
        ("192.0.2.255", "DE"),
        ("198.51.100.9", "AT"),
        ("203.0.113.9", "CH"),
        ("2001:db8:1::5", "SE"),
        ("::ffff:192.0.2.1", "DE"),
    ],
)
def test_the_database_knows_addresses(mmdb: Path, address: str, code: str) -> None:
    assert Countries(None, mmdb).find({}, address, "Asia/Tokyo") == (code, "database")


@pytest.mark.parametrize(
    "address", ["10.0.0.1", "2001:db8:2::1", "233.252.0.1", "", "nowhere", "192.0.2.1:80"]
)
def test_an_address_that_the_database_does_not_know_leaves_it_to_the_time_zone(
    mmdb: Path, address: str
) -> None:
    countries = Countries(None, mmdb)

    assert countries.find({}, address, "Asia/Tokyo") == ("JP", "timezone")
    assert countries.find({}, address, None) == NONE


@pytest.mark.parametrize(
    ("zone", "code"),
    [
        ("Europe/Berlin", "DE"),
        ("Europe/Amsterdam", "NL"),
        ("America/New_York", "US"),
        ("America/Argentina/Buenos_Aires", "AR"),
        ("Asia/Kolkata", "IN"),
        ("Asia/Calcutta", "IN"),  # as Chrome says it
        ("Europe/Kiev", "UA"),
        ("Asia/Saigon", "VN"),
        ("Africa/Asmera", "ER"),
        ("Pacific/Truk", "FM"),
        ("America/Coral_Harbour", "CA"),
        ("Atlantic/Jan_Mayen", "SJ"),
    ],
)
def test_a_time_zone_is_in_a_country(zone: str, code: str) -> None:
    assert Countries().find({}, "192.0.2.1", zone) == (code, "timezone")


@pytest.mark.parametrize("zone", ["UTC", "Etc/GMT+5", "CET", "Europe/Atlantis", "", "\0", None])
def test_a_time_zone_outside_all_countries_gives_none(zone: str | None) -> None:
    assert Countries().find({}, "192.0.2.1", zone) == NONE


def test_merged_time_zones_are_those_of_the_tz_database() -> None:
    for remembered in (country._codes, country._of_zones):
        remembered.cache_clear()
    zones = {
        "Europe/Amsterdam": "NL",
        "Asia/Calcutta": "IN",
        "Africa/Asmera": "ER",
        "CET": None,
        "Etc/GMT": None,
    }
    codes = {"FR": "FR", "XK": "XK", "XX": None, "#": None}

    assert {zone: Countries().find({}, "", zone).code for zone in zones} == zones
    assert {code: Countries("X-C").find({"HTTP_X_C": code}, "", None).code for code in codes} == codes


def test_every_time_zone_named_for_a_place_is_in_a_country() -> None:
    countries = Countries()
    places = {
        zone
        for zone in available_timezones()
        if zone.startswith(("Africa/", "America/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Pacific/"))
    }

    unknown = {zone for zone in places if countries.find({}, "", zone) == UNKNOWN}

    assert places
    assert not unknown


def test_a_file_that_is_no_database_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "countries.mmdb"
    path.write_bytes(b"<html>Please sign in to download</html>")

    with pytest.raises(ConfigError, match=r"ALICE_COUNTRY_DATABASE: .*countries\.mmdb"):
        Countries(None, path)


def test_a_damaged_database_is_logged_once_and_time_zones_are_used(
    write_mmdb: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    damaged = write_mmdb({"192.0.2.0/24": BROKEN})
    countries = Countries(None, damaged)

    with caplog.at_level(logging.ERROR):
        found = [countries.find({}, "192.0.2.77", "Asia/Tokyo") for _ in range(2)]

    assert found == [("JP", "timezone")] * 2
    assert len(caplog.records) == 1
    assert "192.0.2" not in caplog.text


# A database in MaxMind's format (version 2): a binary tree over the bits of addresses, 24 bits a pointer;
# 16 zero bytes; the records; a marker and what describes them.

BROKEN = object()  # a record that cannot be read
BITS = 128
IPV4 = 96  # zero bits before an IPv4 address in a tree of IPv6


@pytest.fixture
def mmdb(write_mmdb: Callable[..., Path]) -> Path:
    return write_mmdb(
        {
            "192.0.2.0/24": {"country": {"iso_code": "DE", "names": {"en": "Germany"}}},
            "198.51.100.0/24": {"registered_country": {"iso_code": "AT"}},
            "203.0.113.0/24": {"country": "Switzerland", "country_code": "CH"},
            "233.252.0.0/24": {"country": {"iso_code": "XX"}},
            "2001:db8:1::/48": {"country": "SE"},
        }
    )


@pytest.fixture
def write_mmdb(tmp_path: Path) -> Callable[..., Path]:
    def write(records: dict[str, Any]) -> Path:
        path = tmp_path / "countries.mmdb"
        path.write_bytes(_database(records))
        return path

    return write


def _database(records: dict[str, Any]) -> bytes:
    nodes: list[list[int | None]] = [[None, None]]
    data, offsets = b"", {}
    for network, record in records.items():
        offsets[network] = len(data)
        data += b"\x3f\xff\xff" if record is BROKEN else _encoded(record)
    for network, offset in offsets.items():
        _plant(nodes, network, -offset - 1)
    count = len(nodes)
    tree = b"".join(_pointer(side, count) for node in nodes for side in node)
    described = {
        "node_count": count,
        "record_size": 24,
        "ip_version": 6,
        "database_type": "Test-Country",
        "languages": [],
        "binary_format_major_version": 2,
        "binary_format_minor_version": 0,
        "build_epoch": 1_700_000_000,
        "description": {},
    }
    return tree + bytes(16) + data + b"\xab\xcd\xefMaxMind.com" + _encoded(described)


def _plant(nodes: list[list[int | None]], network: str, leaf: int) -> None:
    """Make the path of a network's bits; a negative number is where its record stands."""
    net = ip_network(network)
    length = net.prefixlen + (IPV4 if net.version == 4 else 0)
    bits = f"{int(net.network_address):0{BITS}b}"[:length]
    node = 0
    for bit in bits[:-1]:
        if nodes[node][int(bit)] is None:
            nodes.append([None, None])
            nodes[node][int(bit)] = len(nodes) - 1
        node = nodes[node][int(bit)]
    nodes[node][int(bits[-1])] = leaf


def _pointer(side: int | None, count: int) -> bytes:
    if side is None:
        side = count
    elif side < 0:
        side = count + 16 + (-side - 1)
    return side.to_bytes(3, "big")


def _encoded(value: Any, name: str = "") -> bytes:
    if isinstance(value, str):
        return bytes([2 << 5 | len(value)]) + value.encode()
    if isinstance(value, int):
        return _number(value, name)
    if isinstance(value, list):
        return bytes([len(value), 4])
    parts = (_encoded(key) + _encoded(part, key) for key, part in value.items())
    return bytes([7 << 5 | len(value)]) + b"".join(parts)


def _number(value: int, name: str) -> bytes:
    """A number in the type that the format prescribes for what it describes."""
    if name == "build_epoch":
        return b"\x08\x02" + value.to_bytes(8, "big")
    if name == "node_count":
        return bytes([6 << 5 | 4]) + value.to_bytes(4, "big")
    return bytes([5 << 5 | 2]) + value.to_bytes(2, "big")
