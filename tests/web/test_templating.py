"""Globals and filters of templates."""

import pytest
from flask import Flask, render_template_string

pytestmark = pytest.mark.engine("sqlite")


@pytest.mark.parametrize(
    ("at", "tag"),
    [
        (None, "never"),
        (0, '<time datetime="1970-01-01T00:00:00.000Z">1970-01-01 00:00 UTC</time>'),
        (1_737_369_000_123, '<time datetime="2025-01-20T10:30:00.123Z">2025-01-20 10:30 UTC</time>'),
    ],
)
def test_a_time_can_be_read_by_people_and_by_scripts(app: Flask, at: int | None, tag: str) -> None:
    with app.test_request_context():
        assert render_template_string("{{ at|time_tag }}", at=at) == tag


def test_what_readers_wrote_is_escaped(app: Flask) -> None:
    with app.test_request_context():
        assert render_template_string("{{ name }}", name="<b>") == "&lt;b&gt;"
