"""Salts: made once for all processes, and gone with their site."""

import threading
from pathlib import Path

import pytest

from alice import clock
from alice.clock import DAY
from alice.config import Settings
from alice.tracking import retention
from alice.tracking import site as sites
from alice.tracking.salt import Salts
from alice.tracking.site import SiteRow
from tests.tracking.conftest import Post


@pytest.fixture
def salts(settings: Settings) -> Salts:
    return Salts(settings.data_dir)


@pytest.fixture
def folder(settings: Settings) -> Path:
    return settings.data_dir / "salts"


def test_every_salt_of_a_removed_site_goes_and_no_other(
    post: Post, doomed: SiteRow, other_site: SiteRow, salts: Salts, folder: Path
) -> None:
    post(doomed.id, url="/", consent="granted", visitorId="v")
    post(doomed.id, url="/")
    salts.known(other_site.id)
    (folder / doomed.id / ".known-1-00000000").write_bytes(b"of a process that was killed")
    sites.remove(doomed.id)

    assert retention.destroy_salts(salts) == 3
    assert [path.name for path in folder.iterdir()] == [other_site.id]
    assert (folder / other_site.id / "known").exists()
    assert retention.destroy_salts(salts) == 0


def test_the_salts_of_alices_own_site_stay(app: object, salts: Salts, folder: Path) -> None:
    own = sites.own()
    known, today = salts.known(own.id), salts.get(own.id, clock.now() // DAY)

    assert retention.destroy_salts(salts) == 0
    assert {path.read_bytes() for path in (folder / own.id).iterdir()} == {known, today}


def test_a_destroyed_salt_is_not_remembered(salts: Salts) -> None:
    today = clock.now() // DAY
    before = salts.known("a"), salts.get("a", today)
    salts.destroy_all("a")

    assert {salts.known("a"), salts.get("a", today)}.isdisjoint(before)
    salts.destroy_all("nowhere")  # nothing to do, and no error


def test_a_salt_that_is_made_while_its_sites_folder_goes_is_had_all_the_same(
    settings: Settings, salts: Salts
) -> None:
    done = threading.Event()

    def destroy() -> None:
        while not done.wait(0.0005):
            salts.destroy_all("a")

    destroyer = threading.Thread(target=destroy)
    destroyer.start()
    try:
        made = [Salts(settings.data_dir).known("a") for _ in range(300)]
    finally:
        done.set()
        destroyer.join()

    assert {len(salt) for salt in made} == {32}
