"""The public privacy page of each site: what is collected, for how long, and how to opt out."""

from flask import Blueprint, render_template

from alice.clock import DAY, minutes
from alice.config import Settings
from alice.errors import NotFound
from alice.tracking.context import connect, tracking
from alice.tracking.privacy import retention
from alice.tracking.site import SiteRow
from alice.web.access import public
from alice.web.context import settings

blueprint = Blueprint("tracking_pages", __name__)
connect(blueprint)


@blueprint.get("/privacy")
@public
def own_privacy() -> str:
    """What is collected on Alice's own pages."""
    own = tracking().sites.own()
    if own is None:
        return render_template("tracking/privacy.html", site=None, own=True, counted=False)
    return _privacy(own, own=True)


@blueprint.get("/privacy/<site_id>")
@public
def privacy(site_id: str) -> str:
    """What is collected on one of the tracked sites."""
    found = tracking().site(site_id)
    if found is None:
        raise NotFound("There is no site with this id.")
    own = tracking().sites.own()
    return _privacy(found, own=own is not None and found.id == own.id)


def _privacy(site: SiteRow, own: bool) -> str:
    return render_template(
        "tracking/privacy.html",
        site=site,
        own=own,
        counted=not own or settings().track_pages,
        idle_minutes=site.idle_ms // minutes(1),
        ids_days=retention.IDS_KEPT // DAY,
        help_contact=settings().help_contact,
        country_from_address=settings().country_database is not None,
        copies=_copies(settings()),
    )


def _copies(settings: Settings) -> list[str]:
    """The systems that get copies of events, described for visitors."""
    sinks = {
        "A ClickHouse database": settings.clickhouse_url,
        "Tinybird, a service that evaluates such data": settings.tinybird_token,
        "Files of those who run the site": settings.ndjson,
    }
    return [name for name, is_set in sinks.items() if is_set]
