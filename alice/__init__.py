"""Alice, a self-hosted reading companion. `create_app()` is the wiring, readable as a table of contents."""

from dataclasses import dataclass
from pathlib import Path

from flask import Flask

from alice import database
from alice.accounts import api as accounts_api
from alice.accounts import identity, session
from alice.accounts import pages as accounts_pages
from alice.activity import accounts as listens_to_accounts  # noqa: F401 - by its signals
from alice.activity import api as activity_api
from alice.activity import heartbeat
from alice.clock import minutes
from alice.config import Settings, load_secret_key, prepare_data_dir
from alice.consultant import api as consultant_api
from alice.consultant import pages as consultant_pages
from alice.jobs import Job, Scheduler
from alice.library import api as library_api
from alice.reading import pages as reading_pages
from alice.recorder import Recorder
from alice.web import edge

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
BLUEPRINTS = (
    accounts_api, accounts_pages,
    library_api,
    activity_api,
    reading_pages,
    consultant_api, consultant_pages,
)  # fmt: skip


@dataclass(frozen=True)
class Alice:
    """What an application keeps while it runs."""

    settings: Settings
    recorder: Recorder
    scheduler: Scheduler

    def start(self) -> None:
        """Start the writer and the jobs; in a server, in each process after the fork."""
        self.recorder.start()
        self.scheduler.start()

    def stop(self) -> None:
        """End the jobs, then write everything that waits."""
        self.scheduler.stop()
        self.recorder.stop()


def create_app(settings: Settings | None = None) -> Flask:
    """The application. Starts no thread and leaves no connection open."""
    settings = settings or Settings.from_env()
    prepare_data_dir(settings)
    database.bind(settings)
    app = Flask(__name__, template_folder=str(TEMPLATES))
    app.secret_key = load_secret_key(settings)
    app.extensions["alice"] = Alice(
        settings, Recorder(database.alice_db, database.ACTIVITY_LOG), Scheduler(periodic_work(settings))
    )
    identity.init(app)
    edge.install(app, settings)
    heartbeat.install(app)
    for module in BLUEPRINTS:
        app.register_blueprint(module.blueprint)
    return app


def periodic_work(settings: Settings) -> list[Job]:
    return [Job("session cleanup", minutes(5), lambda: session.cleanup(settings))]
