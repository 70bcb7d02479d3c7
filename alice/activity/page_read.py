"""page_reads: which pages a reader has seen, when, how often and for how long."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from alice.activity.state import PageLeft
from alice.activity.types import PAGE_VIEW, Activity
from alice.database import Queries


@dataclass(slots=True)
class Reads:
    """What a list of activities adds to the row of one page."""

    first_read_at: int
    last_read_at: int
    times: int = 0
    dwell_ms: int = 0


Tally = dict[tuple[str, int], Reads]
_NEVER = 1 << 62  # later than any time, so that min() with it changes nothing


def tally(activities: Iterable[Activity], left: Iterable[PageLeft], into: Tally | None = None) -> Tally:
    """Add up the views of each page, and the dwell time of the pages left. Adds to `into` if given."""
    pages = {} if into is None else into
    for activity in activities:
        if activity.activity_type != PAGE_VIEW:
            continue
        at, page = activity.occurred_at, (activity.book_id, activity.page_number)
        reads = pages.get(page)
        if reads is None:
            pages[page] = Reads(at, at, 1)
            continue
        reads.first_read_at, reads.last_read_at = min(reads.first_read_at, at), max(reads.last_read_at, at)
        reads.times += 1
    for page in left:
        reads = pages.setdefault((page.book_id, page.page_number), Reads(_NEVER, 0))
        reads.dwell_ms += page.dwell_ms
    return pages


def count(db: Queries, user_id: str, pages: Tally) -> int:
    """Add the tally to the table; return how many pages were read for the first time."""
    new = 0
    viewed = {page: reads for page, reads in pages.items() if reads.times}
    if viewed:
        values = []
        for page, reads in viewed.items():
            values += (user_id, *page, reads.first_read_at, reads.last_read_at, reads.times, reads.dwell_ms)
        rows = db.query(_count_sql(len(viewed)), *values)
        new = sum(times == viewed[book_id, page_number].times for book_id, page_number, times in rows)
    for (book_id, page_number), reads in pages.items():
        if not reads.times:
            db.execute(_DWELL, reads.dwell_ms, user_id, book_id, page_number)
    return new


_DWELL = "UPDATE page_reads SET dwell_ms = dwell_ms + ? WHERE user_id = ? AND book_id = ? AND page_number = ?"


@lru_cache(maxsize=128)
def _count_sql(rows: int) -> str:
    return (
        "INSERT INTO page_reads AS kept "
        "(user_id, book_id, page_number, first_read_at, last_read_at, times, dwell_ms) "
        f"VALUES {', '.join(['(?, ?, ?, ?, ?, ?, ?)'] * rows)} "
        "ON CONFLICT (user_id, book_id, page_number) DO UPDATE SET "
        "first_read_at = CASE WHEN excluded.first_read_at < kept.first_read_at "
        "THEN excluded.first_read_at ELSE kept.first_read_at END, "
        "last_read_at = CASE WHEN excluded.last_read_at > kept.last_read_at "
        "THEN excluded.last_read_at ELSE kept.last_read_at END, "
        "times = kept.times + excluded.times, dwell_ms = kept.dwell_ms + excluded.dwell_ms "
        "RETURNING book_id, page_number, times"
    )
