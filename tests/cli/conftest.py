"""Commands may alter the schema, so each test has a database of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from alice import database
from alice.config import Settings
from tests.cli.running import Alice
from tests.conftest import Template, watching_bystander


@pytest.fixture
def settings(template: Template, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Settings]:
    """A migrated database that is bound, without an application."""
    with template.copy(tmp_path) as settings, watching_bystander(settings, request.node):
        database.bind(settings)
        yield settings
        database.disconnect()


@pytest.fixture
def alice(settings: Settings) -> Alice:
    where = {"ALICE_DATABASE_URL": settings.database_url} if settings.database_url else {}
    return Alice({"ALICE_DATA_DIR": str(settings.data_dir)} | where)
