"""The wiring: `create_app()` builds the application from its parts."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from flask import Flask

from alice import database, listeners
from alice.accounts import api as accounts_api
from alice.accounts import identity, session
from alice.accounts import pages as accounts_pages
from alice.activity import api as activity_api
from alice.activity import heartbeat
from alice.backup import backups
from alice.clock import hours, minutes, seconds
from alice.config import Settings, load_secret_key, prepare_data_dir
from alice.consultant import api as consultant_api
from alice.consultant import pages as consultant_pages
from alice.jobs import Job, Scheduler
from alice.library import api as library_api
from alice.reading import pages as reading_pages
from alice.recorder import Recorder
from alice.tracking import pages as tracking_pages
from alice.tracking import sites_api
from alice.tracking.dialects.usertracker import api as usertracker_api
from alice.tracking.ingest import Ingest
from alice.tracking.limit import Limits
from alice.tracking.log.country import Countries
from alice.tracking.pipeline import Tracking, close_visits
from alice.tracking.privacy import person, retention
from alice.tracking.privacy.salt import Salts
from alice.tracking.privacy.visitor_key import Visitors
from alice.tracking.script import served
from alice.tracking.sinks import batches
from alice.tracking.sinks.registry import Couriers
from alice.tracking.site import Sites
from alice.web import edge

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
BLUEPRINTS = (
    accounts_api, accounts_pages,
    library_api,
    activity_api,
    reading_pages,
    consultant_api, consultant_pages,
    usertracker_api, sites_api, tracking_pages,
)  # fmt: skip


@dataclass(frozen=True)
class Alice:
    """The running parts of an application: its settings, writers, jobs and sinks."""

    settings: Settings
    recorder: Recorder
    tracking: Tracking
    scheduler: Scheduler
    couriers: Couriers

    def start(self) -> None:
        """Start the threads: writers, jobs and sinks. A server calls this in each worker, after the fork."""
        self.recorder.start()
        self.tracking.recorder.start()
        self.scheduler.start()
        self.couriers.start()

    def stop(self) -> None:
        """Stop the jobs, then commit all queued operations and touched values; stop the sinks last."""
        self.scheduler.stop()
        self.recorder.stop()
        self.tracking.recorder.stop()
        self.couriers.stop()  # last: a slow sink may take 3 s, and no event is lost if it is killed meanwhile


def create_app(settings: Settings | None = None) -> Flask:
    """Create the application. Starts no thread and leaves no connection open."""
    settings = settings or Settings.from_env()
    prepare_data_dir(settings)
    database.bind(settings)
    app = Flask(__name__, template_folder=str(TEMPLATES))
    app.secret_key = load_secret_key(settings)
    tracking = app.extensions["tracking"] = make_tracking(settings)
    app.extensions["alice"] = Alice(
        settings,
        Recorder(database.alice_db, database.ACTIVITY_LOG),
        tracking,
        Scheduler(periodic_work(settings)),
        Couriers(settings),
    )
    listeners.connect()
    identity.init(app)
    edge.install(app, settings)
    heartbeat.install(app)
    for module in BLUEPRINTS:
        app.register_blueprint(module.blueprint)
    served.install(app, settings, tracking.sites)
    app.wsgi_app = Ingest(app.wsgi_app, tracking)
    return app


def make_tracking(settings: Settings) -> Tracking:
    """Build the tracking side, which has its own database and writer."""
    return Tracking(
        Recorder(database.events_db, database.EVENT_LOG),
        Sites(),
        Visitors(Salts(settings.data_dir)),
        Limits(settings.track_per_address, settings.track_per_site),
        Countries(settings.country_header, settings.country_database),
        settings.trusted_proxies,
    )


def periodic_work(settings: Settings) -> list[Job]:
    jobs = [
        Job("session cleanup", minutes(5), lambda: session.cleanup(settings), deletes=True),
        Job("visit closing", seconds(10), close_visits),
        Job("erasures", minutes(1), lambda: person.erase_deleted_users(settings.data_dir)),
        Job("salts", minutes(5), lambda: retention.destroy_salts(Salts(settings.data_dir)), deletes=True),
        Job("retention", hours(1), retention.prune, deletes=True),
        Job("empty batches", minutes(1), batches.delete_empty),
    ]
    if settings.backup_dir is not None:
        make = partial(backups.make, settings, settings.backup_dir, backups.KEPT)
        jobs.append(Job("backup", hours(settings.backup_hours), make))
    return jobs
