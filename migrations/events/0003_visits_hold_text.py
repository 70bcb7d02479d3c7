"""Visits hold the text of their attributes, instead of numbers of strings.

So a visit is opened in one transaction without looking up strings, and erasing a visit erases its text.
"""

ATTRIBUTES = (
    "landing_path", "exit_path", "referrer_host", "utm_source", "utm_medium", "utm_campaign", "utm_term",
    "utm_content", "bucket", "device", "browser", "os", "language", "timezone", "screen", "country",
    "country_source", "ab_test", "ab_variant",
)  # fmt: skip


def up(migrator, db):
    replace(db, "TEXT", "(SELECT text FROM strings WHERE number = visits.{})")


def down(migrator, db):
    for name in ATTRIBUTES:
        db.execute_sql(
            f"INSERT INTO strings (text) SELECT DISTINCT {name} FROM visits WHERE {name} IS NOT NULL "
            "ON CONFLICT DO NOTHING"
        )
    replace(db, "INTEGER", "(SELECT number FROM strings WHERE text = visits.{})")


def replace(db, type, value):
    """Give each attribute the other type. A column's type cannot be changed on SQLite."""
    for name in ATTRIBUTES:
        db.execute_sql(f"ALTER TABLE visits ADD COLUMN new_{name} {type}")
    db.execute_sql(f"UPDATE visits SET {', '.join(f'new_{n} = {value.format(n)}' for n in ATTRIBUTES)}")
    for name in ATTRIBUTES:
        db.execute_sql(f"ALTER TABLE visits DROP COLUMN {name}")
        db.execute_sql(f"ALTER TABLE visits RENAME COLUMN new_{name} TO {name}")
