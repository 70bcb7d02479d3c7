"""The committed tracker.min.js is what its sources build."""

import shutil
import subprocess
from pathlib import Path

import pytest

from alice.config import CHECKOUT
from alice.tracking.script import served


@pytest.mark.skipif(not shutil.which("npm"), reason="needs npm: apt install npm")
def test_the_committed_script_is_made_of_its_sources(tmp_path: Path) -> None:
    made = tmp_path / "tracker.min.js"
    subprocess.run(["make", "tracker", f"TRACKER={made}"], cwd=CHECKOUT, check=True)

    assert made.read_bytes() == served.script(), "run `make tracker` and commit what it writes"
