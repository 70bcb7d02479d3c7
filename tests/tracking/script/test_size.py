"""How many bytes of tracker.js a visitor downloads."""

import gzip

from alice.tracking.script import served

LARGEST = 2_048  # bytes, core and add-ons


def test_the_script_stays_small() -> None:
    assert len(gzip.compress(served.script(), 9)) <= LARGEST
