"""The salts of a test's application."""

from pathlib import Path

import pytest

from alice.config import Settings
from alice.tracking.privacy.salt import Salts


@pytest.fixture
def salts(settings: Settings) -> Salts:
    return Salts(settings.data_dir)


@pytest.fixture
def folder(settings: Settings) -> Path:
    return settings.data_dir / "salts"
