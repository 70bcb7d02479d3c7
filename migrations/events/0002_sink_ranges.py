"""A batch of a sink is a range of the log, no longer a copy of its rows.

Batches that wait are made again from their range.
"""


def up(migrator, db):
    db.execute_sql("ALTER TABLE sink_batches ADD COLUMN bytes INTEGER")
    db.execute_sql("UPDATE sink_batches SET bytes = LENGTH(body)")
    db.execute_sql("ALTER TABLE sink_batches DROP COLUMN body")


def down(migrator, db):
    """The bodies are lost: send each stream again from its first waiting batch, and delete all batches."""
    db.execute_sql(
        "UPDATE sink_cursors SET position = (SELECT MIN(first) - 1 FROM sink_batches b WHERE b.sink = "
        "sink_cursors.sink AND b.stream = sink_cursors.stream AND b.state = 'waiting') "
        "WHERE EXISTS (SELECT 1 FROM sink_batches b WHERE b.sink = sink_cursors.sink "
        "AND b.stream = sink_cursors.stream AND b.state = 'waiting' AND b.first <= sink_cursors.position)"
    )
    db.execute_sql("DELETE FROM sink_batches")
    db.execute_sql("ALTER TABLE sink_batches DROP COLUMN bytes")
    column = "BLOB" if db.param == "?" else "BYTEA"
    db.execute_sql(f"ALTER TABLE sink_batches ADD COLUMN body {column} NOT NULL DEFAULT ''")
