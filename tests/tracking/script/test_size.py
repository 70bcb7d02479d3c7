"""How much tracker.js costs a visitor, as it goes over the wire."""

import gzip

from alice.tracking.script import build

LARGEST_CORE = 1_536  # bytes; reach for 1,024
LARGEST_ADDONS = 1_024


def test_the_core_and_the_add_ons_stay_small() -> None:
    core, script = (len(gzip.compress(made, 9)) for made in (build.core(), build.script()))

    assert core <= LARGEST_CORE
    assert script - core < LARGEST_ADDONS
