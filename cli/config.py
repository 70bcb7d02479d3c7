"""`alice config`: the settings, as they are now."""

from dataclasses import fields

import click

from alice.config import Settings, variable

from .shared import json_option, load_settings, print_json, print_table

HIDDEN = "********"


@click.command()
@json_option
def config(as_json: bool) -> None:
    """Print every setting: its name, value, default and meaning. Secrets are masked."""
    rows = describe(load_settings())
    if as_json:
        print_json(rows)
    else:
        heads = ["name", "value", "default", "meaning"]
        print_table(heads, [[row[head] or "" for head in heads] for row in rows])


def describe(settings: Settings) -> list[dict[str, str | None]]:
    """Return one entry per setting, as text; None means "not set"."""
    return [
        {
            "name": variable(field.name),
            "value": _text(getattr(settings, field.name), secret=field.metadata["secret"]),
            "default": _text(field.default),
            "meaning": field.metadata["meaning"],
        }
        for field in fields(Settings)
    ]


def _text(value: object, *, secret: bool = False) -> str | None:
    if value is None:
        return None
    if secret:
        return HIDDEN
    return str(int(value)) if isinstance(value, bool) else str(value)
