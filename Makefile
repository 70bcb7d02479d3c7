# make run       installs on first use, then serves Alice on http://127.0.0.1:8000
# make test      installs what tests need and runs them; ARGS='-k login' runs some
# make bench     measures Alice against its ceiling, a constant response from the same server
# make lint      style, formatting and the direction of imports
# make install   .venv with the pinned dependencies, and nothing else
# make tracker   builds tracker.js from its sources (needs npm)
# make passwords  writes the list of common passwords (needs uv)
# make lock      updates the lock files from pyproject.toml (needs uv)
#
# PYTHON=/path/to/python3 picks the interpreter.

VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test bench lint install tracker passwords lock

run: $(VENV)/installed
	@$(BIN)/alice setup && exec $(BIN)/alice serve

test: $(VENV)/installed-dev
	@$(BIN)/python -m pytest -n auto $(ARGS)

bench: $(VENV)/installed-dev
	@$(BIN)/python -m pytest tests/bench -s $(ARGS)

lint: $(VENV)/installed-dev
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports

install: $(VENV)/installed

SCRIPT := alice/tracking/script
TRACKER := $(SCRIPT)/tracker.min.js
# An error of the script's own must never reach the page: hence the try.
TERSER := npm exec --yes --package=terser@5.51.4 -- terser

tracker:
	@(echo '(() => { try {' && cd $(SCRIPT) && cat core.js addons/shared.js addons/clicks.js addons/scroll.js addons/forms.js \
	    && echo '} catch {} })();') | $(TERSER) --compress --mangle --output $(TRACKER)

# The most common passwords of eight or more characters; shorter ones are refused anyhow.
define PASSWORDS
from zxcvbn.frequency_lists import FREQUENCY_LISTS
words = [word for word in FREQUENCY_LISTS["passwords"] if len(word) >= 8 and word.isascii() and word.isprintable()]
print("\n".join(sorted(words[:10000])))
endef

export PASSWORDS

passwords:
	@uv run --no-project --with zxcvbn==4.5.0 python -c "$$PASSWORDS" > alice/accounts/common_passwords.txt

COMPILE := uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
    --no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" --group build

lock:
	@$(COMPILE) --output-file requirements.lock
	@$(COMPILE) --output-file requirements-dev.lock --constraints requirements.lock --group dev --extra postgresql


# The virtual environment. It is complete if $(VENV)/made-in names this checkout: the file is deleted before
# pip starts and written after pip has succeeded. So a virtual environment is created again if its installation
# was interrupted, or if it was moved, because it contains absolute paths.

ifneq ($(shell cat $(VENV)/made-in 2>/dev/null),$(CURDIR))
.PHONY: $(BIN)/python
endif
ifneq ($(PYTHON),)
ifneq ($(shell cat $(VENV)/made-with 2>/dev/null),$(PYTHON))
.PHONY: $(BIN)/python
endif
endif

PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check install

define INSTALL
@echo "Installing into $(VENV); this happens once and may take a minute."
@rm -f $(VENV)/made-in
@$(PIP) --require-hashes -r $<
@$(PIP) --no-deps --no-build-isolation --editable .
@pwd > $(VENV)/made-in
endef

$(VENV)/installed: requirements.lock pyproject.toml $(BIN)/python
	$(INSTALL)
	@touch $@

# requirements-dev.lock includes the packages of requirements.lock.
$(VENV)/installed-dev: requirements-dev.lock pyproject.toml $(BIN)/python
	$(INSTALL)
	@touch $(VENV)/installed $@

# Prints in one line what the interpreter lacks. Must run on any Python 3.
define CHECK
import sys
version = "%d.%d" % sys.version_info[:2]
def lacks(problem, remedy):
    print("Alice needs %s (tried %s). %s" % (problem, sys.executable, remedy))
    sys.exit(1)
if sys.version_info < (3, 11):
    lacks("Python 3.11 or newer, not " + version, "Install one, or name it: make PYTHON=/path/to/python3")
try:
    import venv, ensurepip
except ImportError:
    lacks("Python's venv and ensurepip", "On Debian or Ubuntu: apt install python%s-venv" % version)
try:
    import sqlite3
except ImportError:
    lacks("a Python with sqlite3", "On Debian or Ubuntu: apt install libpython%s-stdlib" % version)
if sqlite3.sqlite_version_info < (3, 35):
    lacks("SQLite 3.35 or newer, not " + sqlite3.sqlite_version, "On Debian or Ubuntu: apt install libsqlite3-0")
endef

export CHECK PYTHON

$(BIN)/python:
	@set -- python3.14 python3.13 python3.12 python3.11 python3; \
	if [ -n "$$PYTHON" ]; then set -- "$$PYTHON"; fi; \
	for python; do \
	    if said=$$("$$python" -c "$$CHECK" 2>/dev/null); then \
	        "$$python" -m venv --clear $(VENV) && echo "$$PYTHON" > $(VENV)/made-with; exit; \
	    fi; \
	    problem=$${problem:-$$said}; \
	done; \
	echo "$${problem:-$${PYTHON:+$$PYTHON does not run. }Alice needs Python 3.11 or newer. On Debian or Ubuntu: apt install python3 python3-venv}" >&2; exit 1
