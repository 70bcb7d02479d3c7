"""What every template can use, beside what Flask and Flask-Login bring."""

from flask import Flask
from markupsafe import Markup

from alice.clock import rfc3339
from alice.web.csrf import csrf_token


def install(app: Flask) -> None:
    app.jinja_env.globals.update(site_name="Alice", csrf_token=csrf_token)
    app.jinja_env.filters["time_tag"] = time_tag


def time_tag(at: int | None) -> Markup:
    """A time (milliseconds) in UTC, in a form that js/time.js turns into the reader's own."""
    if at is None:
        return Markup("never")
    stamp = rfc3339(at)
    return Markup('<time datetime="{}">{} {} UTC</time>').format(stamp, stamp[:10], stamp[11:16])
