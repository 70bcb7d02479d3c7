"""The unit of measure: a constant Flask view under the very settings that Alice is served with.

python -m tests.bench.ceiling PORT
"""

import sys
from dataclasses import replace
from typing import Any

from flask import Flask

from alice.config import Settings
from alice.server import application, memory
from alice.server.listening import listen


class Ceiling(application.Application):
    """Alice's gunicorn without Alice."""

    def load(self) -> Flask:
        app = Flask("ceiling")

        @app.get("/")
        def constant() -> dict[str, bool]:
            return {"ok": True}

        return app

    def _options(self) -> dict[str, Any]:
        return super()._options() | {
            "post_worker_init": lambda worker: memory.collect_less(),
            "worker_exit": lambda arbiter, worker: None,
        }


if __name__ == "__main__":
    settings = replace(Settings.from_env(), port=int(sys.argv[1]))
    Ceiling(settings, listen(settings.host, settings.port)).run()
