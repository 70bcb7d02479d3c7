"""Templates and static files: what a strict Content-Security-Policy and a browser's cache need of them."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
STATIC = ROOT / "alice" / "static"

INLINE = re.compile(r"\sstyle=|\son[a-z]+=|<style\b|javascript:|<script\b(?![^>]*\bsrc=)", re.IGNORECASE)
ELSEWHERE = re.compile(r"(?:src|href|action)=\"(?:https?:)?//|url\(|@import", re.IGNORECASE)
ASSET = re.compile(r"asset\('([^']+)'\)")
ICON = re.compile(r"icon\(\"([\w-]+)\"")
IMPORT = re.compile(r"^import .* from \"(.+)\";$", re.MULTILINE)


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("template", TEMPLATES, ids=named)
def test_a_template_has_no_inline_style_or_script_and_loads_nothing_from_elsewhere(template: Path) -> None:
    text = template.read_text()
    assert not INLINE.findall(text)
    assert not ELSEWHERE.findall(text)


@pytest.mark.parametrize("template", TEMPLATES, ids=named)
def test_what_a_template_names_is_there(template: Path) -> None:
    text = template.read_text()
    sprite = (STATIC / "icons" / "sprite.svg").read_text()
    assert [path for path in ASSET.findall(text) if not (STATIC / path).is_file()] == []
    assert [name for name in ICON.findall(text) if f'<symbol id="{name}"' not in sprite] == []


@pytest.mark.parametrize("template", TEMPLATES, ids=named)
def test_every_form_that_posts_has_a_token(template: Path) -> None:
    text = template.read_text()
    # A page with several forms may make the token once and set it into each.
    tokens = text.count("{{ token }}") or text.count('{% include "partials/csrf.html" %}')
    assert text.count('method="post"') == tokens


@pytest.mark.parametrize("sheet", sorted(STATIC.rglob("*.css")), ids=named)
def test_a_style_sheet_stands_in_one_layer_and_loads_nothing(sheet: Path) -> None:
    text = sheet.read_text()
    layer = "pages" if sheet.parent.name == "pages" else sheet.stem
    assert re.findall(r"^@layer (\w+) \{", text, re.MULTILINE) == [layer]
    assert not ELSEWHERE.findall(text)


@pytest.mark.parametrize("module", sorted(STATIC.rglob("*.js")), ids=named)
def test_a_module_imports_only_its_neighbours(module: Path) -> None:
    assert [path for path in IMPORT.findall(module.read_text()) if not (module.parent / path).is_file()] == []
