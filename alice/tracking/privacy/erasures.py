"""Erase users in events.db who were deleted in alice.db: no key and no transaction spans the two."""

from pathlib import Path

from alice import database, erased
from alice.tracking.privacy import person


def consume(data_dir: Path) -> int:
    """Erase every user in the table erasures; return how many. Needs a connection to alice.db.

    Each is noted in the ledger of the data folder first. A row of erasures is deleted after its user is
    erased, so an interrupted erasure is repeated.
    """
    rows = database.query("SELECT seq, user_id FROM erasures ORDER BY seq")
    for seq, user_id in rows:
        erased.note(data_dir, user_id)
        person.erase(user_id)
        with database.transaction():
            database.execute("DELETE FROM erasures WHERE seq = ?", seq)
    return len(rows)
