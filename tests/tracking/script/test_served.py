"""How /tracker.js is served: caching, compression and headers."""

import gzip
import re

import pytest
from flask.testing import FlaskClient

from alice.tracking.script import served


@pytest.mark.parametrize(
    ("accepted", "small"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip;q=0, identity", False),
        ("gzip;q=0, *", False),
        ("identity", False),
        ("", False),
    ],
)
def test_it_is_compressed_for_who_takes_it_so(accepted: str, small: bool, client: FlaskClient) -> None:
    answer = client.get("/tracker.js", headers={"Accept-Encoding": accepted})

    assert answer.headers.get("Content-Encoding") == ("gzip" if small else None)
    assert (gzip.decompress(answer.data) if small else answer.data) == served.script()
    assert answer.headers["Vary"] == "Accept-Encoding"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["ETag"] == f'"{served.fingerprint()}{"-gzip" if small else ""}"'


def test_it_is_compressed_well_and_named_by_what_it_holds() -> None:
    for remembered in (served.compressed, served.fingerprint):
        remembered.cache_clear()

    assert served.compressed() == gzip.compress(served.script(), 9, mtime=0)
    assert re.fullmatch(r"[0-9a-f]{12}", served.fingerprint())
