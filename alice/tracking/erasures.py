"""Users who were deleted from alice.db are erased here too: no key and no transaction reaches across."""

from alice import database
from alice.tracking import person


def consume() -> int:
    """Erase every user whose deletion was noted; answer how many. Needs a connection to alice.db.

    The note goes when all is erased: stopped half-way, it is done again.
    """
    noted = database.query("SELECT seq, user_id FROM erasures ORDER BY seq")
    for seq, user_id in noted:
        person.erase(user_id)
        with database.transaction():
            database.execute("DELETE FROM erasures WHERE seq = ?", seq)
    return len(noted)
