"""The consultant's queries are written for their indexes: none reads a whole table that grows."""

from collections.abc import Callable

import pytest
from flask import Flask

from alice import database
from alice.activity import log
from alice.consultant import queries
from alice.ids import new_id


@pytest.mark.parametrize(
    "ask",
    [
        lambda: queries.active_readers(30, None, 100),
        lambda: queries.online_readers(None, 100),
        lambda: queries.readers(new_id(), 100),
        lambda: log.newest(1000, 100),
        lambda: queries.reader(new_id()),
        lambda: queries.summary(new_id(), 24),
        lambda: log.newest_seq(),
    ],
    ids=["active", "online", "readers", "recent", "reader", "summary", "newest"],
)
@pytest.mark.engine("sqlite")  # PostgreSQL chooses by statistics; on tables this small it rightly scans.
def test_no_query_scans_a_table(app: Flask, connection: None, ask: Callable[[], object]) -> None:
    executed = []
    hook = executed.append
    database.alice_db.query_hooks.append(hook)
    try:
        ask()
    finally:
        database.alice_db.query_hooks.remove(hook)

    for event in executed:
        plan = database.query(f"EXPLAIN QUERY PLAN {event.sql}", *event.params)
        steps = [row[3] for row in plan]
        scans = [step for step in steps if step.startswith("SCAN") and step not in ALLOWED]
        assert scans == [], steps


# Results of a subquery, and the walk along the log's own key that LIMIT ends.
ALLOWED = {"SCAN recent", "SCAN a"}
