"""Globals and filters of all templates, in addition to those of Flask and Flask-Login."""

from flask import Flask
from markupsafe import Markup

from alice.clock import rfc3339
from alice.web.csrf import csrf_token


def install(app: Flask) -> None:
    app.jinja_env.globals.update(site_name="Alice", csrf_token=csrf_token)
    app.jinja_env.filters["time_tag"] = time_tag


def time_tag(at: int | None) -> Markup:
    """A time (milliseconds) as a <time> element in UTC, which js/time.js converts to the local time."""
    if at is None:
        return Markup("never")
    stamp = rfc3339(at)
    return Markup('<time datetime="{}">{} {} UTC</time>').format(stamp, stamp[:10], stamp[11:16])
