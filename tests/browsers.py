"""Finds the Chromium that tests drive: ALICE_TEST_CHROMIUM, or an installed one."""

import functools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

MISSING = "needs a browser: `apt install chromium`, or set ALICE_TEST_CHROMIUM=/path/to/chromium"
NAMES = ("chromium", "chromium-browser", "google-chrome")
PATIENCE = 30_000  # ms; test machines can stall
FLAGS = [
    "--no-sandbox",  # CI runs as root
    "--disable-dev-shm-usage",
    "--disable-gpu",
]


@functools.cache
def executable() -> str | None:
    """Return the path of a browser. If it is set to nothing, use none."""
    if (path := os.environ.get("ALICE_TEST_CHROMIUM")) is not None:
        return path or None
    return next(filter(None, map(shutil.which, NAMES)), None) or _installed_by_playwright()


def _installed_by_playwright() -> str | None:
    """Return the newest that Playwright has installed. Its driver is not asked: it may lack a library."""
    folder = os.environ.get("PLAYWRIGHT_BROWSERS_PATH") or Path.home() / ".cache/ms-playwright"
    return max(map(str, Path(folder).glob("chromium-*/chrome-linux*/chrome")), default=None)


@contextmanager
def launched() -> Iterator[Browser]:
    """Start a browser, or skip the test."""
    if executable() is None:
        pytest.skip(MISSING)
    with sync_playwright() as playwright:
        # Playwright turns the memory for pages gone back to off; real browsers have it.
        browser = playwright.chromium.launch(
            executable_path=executable(),
            args=FLAGS,
            ignore_default_args=["--disable-back-forward-cache"],
        )
        yield browser
        browser.close()
