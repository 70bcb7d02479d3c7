"""Salts: made once for all processes, and destroyed for all of them."""

import threading
from pathlib import Path

import pytest

from alice import clock
from alice.clock import DAY, seconds
from alice.config import Settings
from alice.tracking.privacy.salt import Salts

pytestmark = pytest.mark.engine("sqlite")  # salts are files


def test_a_destroyed_salt_is_not_remembered(salts: Salts) -> None:
    today = clock.now() // DAY
    before = salts.known("a"), salts.get("a", today)
    others = salts.known("b"), salts.get("b", today)
    assert salts.destroy_all("a") == 2

    assert {salts.known("a"), salts.get("a", today)}.isdisjoint(before)
    assert (salts.known("b"), salts.get("b", today)) == others
    assert salts.destroy_all("nowhere") == 0  # nothing to do, and no error


def test_a_day_that_is_destroyed_goes_from_memory_too_and_no_other(salts: Salts) -> None:
    today = clock.now() // DAY
    of_today, of_yesterday = salts.get("a", today), salts.get("a", today - 1)
    of_another = salts.get("b", today)
    salts.destroy("a", today)
    salts.destroy("a", today)  # nothing to do, and no error

    assert salts.days() != []
    assert salts.get("a", today) != of_today
    assert (salts.get("a", today - 1), salts.get("b", today)) == (of_yesterday, of_another)


def test_only_todays_salts_are_remembered(
    settings: Settings, salts: Salts, folder: Path, frozen_clock: int
) -> None:
    """Another process may destroy those of past days."""
    today, another_process = clock.now() // DAY, Salts(settings.data_dir)
    past, kept = salts.get("a", today - 1), salts.get("a", today)
    another_process.destroy("a", today - 1)
    another_process.destroy("a", today)
    assert salts.get("a", today - 1) != past
    assert salts.get("a", today) == kept
    assert not (folder / "a" / str(today)).exists()

    clock.advance(DAY)
    salts.get("b", today + 1)
    assert salts.get("a", today) != kept


def test_a_salt_of_a_past_day_that_is_missing_is_looked_for_again_after_10_seconds(
    settings: Settings, salts: Salts, frozen_clock: int
) -> None:
    yesterday = clock.now() // DAY - 1
    salts.get("b", yesterday)
    assert (salts.exists("a", yesterday), salts.exists("b", yesterday)) == (False, True)
    Salts(settings.data_dir).get("a", yesterday)

    clock.advance(seconds(10) - 1)
    assert salts.exists("a", yesterday) is False
    assert salts.exists("a", yesterday - 1) is False
    assert salts.exists("a", yesterday) is False
    clock.advance(1)
    assert salts.exists("a", yesterday) is True
    Salts(settings.data_dir).get("a", yesterday - 1)
    assert salts.exists("a", yesterday - 1) is False


def test_a_salt_that_can_be_neither_read_nor_made_is_an_error(salts: Salts, folder: Path) -> None:
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "known").symlink_to("nowhere")

    with pytest.raises(FileNotFoundError):
        salts.known("a")
    assert [path.name for path in (folder / "a").iterdir()] == ["known"]  # and no draft


def test_a_folder_that_cannot_be_removed_is_an_error(salts: Salts, folder: Path) -> None:
    salts.known("elsewhere")
    (folder / "a").symlink_to("elsewhere")

    with pytest.raises(NotADirectoryError):
        salts.destroy_all("a")
    assert not (folder / "elsewhere" / "known").exists()


def test_only_folders_are_sites_and_only_days_are_days(salts: Salts, folder: Path) -> None:
    salts.known("a")
    salts.get("b", 20_000)
    (folder / "README").write_text("")

    assert sorted(salts.sites()) == ["a", "b"]
    assert salts.days() == [("b", 20_000)]


def test_a_salt_is_made_although_its_folder_is_removed_meanwhile(settings: Settings, salts: Salts) -> None:
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
