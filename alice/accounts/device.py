"""Devices: a short description of where a session was started, which its user recognises."""

import re
from typing import NamedTuple

LONGEST_USER_AGENT = 500  # characters that are kept

# The first match counts: most browsers also claim to be others.
BROWSERS = (
    ("Edge", r"\bEdg(e|A|iOS)?/"),
    ("Opera", r"\b(OPR|Opera)/"),
    ("Samsung Internet", r"\bSamsungBrowser/"),
    ("Firefox", r"\b(Firefox|FxiOS)/"),
    ("Chrome", r"\b(Chrome|Chromium|CriOS|HeadlessChrome)/"),
    ("Safari", r"\bSafari/"),
)
SYSTEMS = (
    ("iPhone", r"\biPhone\b"),
    ("iPad", r"\biPad\b"),
    ("Android", r"\bAndroid\b"),
    ("Windows", r"\bWindows\b"),
    ("ChromeOS", r"\bCrOS\b"),
    ("macOS", r"\b(Macintosh|Mac OS X)\b"),
    ("Linux", r"\bLinux\b"),
)
PROGRAM = re.compile(r"([A-Za-z][A-Za-z0-9_.-]{0,30})(/|$)")


class Client(NamedTuple):
    """The client's IP address and User-Agent of a request."""

    ip_address: str | None = None
    user_agent: str | None = None


def describe(user_agent: str | None) -> str:
    """`Firefox on Linux`, or the name of a program. Never holds anything but letters, digits and `_.- `."""
    text = user_agent or ""
    browser, system = _first(BROWSERS, text), _first(SYSTEMS, text)
    if browser:
        return f"{browser} on {system}" if system else browser
    program = PROGRAM.match(text)
    if program and program[1] != "Mozilla":
        return program[1]
    return f"Something on {system}" if system else "Unknown device"


def _first(names: tuple[tuple[str, str], ...], text: str) -> str | None:
    return next((name for name, pattern in names if re.search(pattern, text)), None)
