"""The book that Alice ships: whole, well cut, and imported quickly."""

import time
from pathlib import Path

import pytest

from alice.library import edition, importer, paging
from alice.library.importer import Outcome
from alice.library.manuscript import Manuscript, words

BOOK = Path(__file__).resolve().parents[2] / "data" / "alice-in-wonderland.md"


@pytest.fixture(scope="module")
def alice() -> Manuscript:
    return importer.read(BOOK)


def test_it_has_all_twelve_chapters(alice: Manuscript) -> None:
    assert [chapter.number for chapter in alice.chapters] == list(range(1, 13))
    assert alice.chapters[0].title == "Down the Rabbit-Hole"
    assert alice.chapters[11].title == "Alice’s Evidence"
    assert sum(len(list(words(chapter.blocks))) for chapter in alice.chapters) == pytest.approx(
        26_450, abs=300
    )


def test_its_pages_and_sections_have_about_the_wanted_size(alice: Manuscript) -> None:
    pages = paging.pages(alice)
    sections = [section.words for page in pages for section in page.sections]

    assert (paging.WORDS_PER_PAGE, paging.WORDS_PER_SECTION) == (190, 45)
    assert 135 <= len(pages) <= 145
    assert all(140 <= page.words <= 260 for page in pages)
    assert sum(25 <= size <= 70 for size in sections) > 0.93 * len(sections)


def test_the_mouses_tale_keeps_its_shape(alice: Manuscript) -> None:
    lines = [
        line
        for page in paging.pages(alice)
        for section in page.sections
        for line in section.content.split("\n")
    ]
    start = next(at for at, line in enumerate(lines) if "Fury said to" in line)

    assert len({len(line) - len(line.lstrip()) for line in lines[start : start + 20]}) > 5


@pytest.mark.usefixtures("connection")
def test_its_import_takes_less_than_two_seconds_of_work(alice: Manuscript) -> None:
    times = []
    for name in ("one", "two", "three"):
        started = time.process_time()
        new = edition.made_of(importer.read(BOOK), paging.pages(alice))
        assert importer.publish(f"alice-{name}", new) is Outcome.IMPORTED
        times.append(time.process_time() - started)

    # Of processor time: machines stall.
    assert min(times) < 2
