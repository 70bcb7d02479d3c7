"""Commands that leave the schema alone: they run on the ordinary test database, with its bystander."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from alice import database
from alice.config import Settings
from tests.conftest import Template, watching_bystander


@pytest.fixture
def settings(template: Template, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Settings]:
    settings = template.lend(tmp_path)
    with watching_bystander(settings, request.node):
        yield settings
        database.disconnect()
