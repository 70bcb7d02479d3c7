"""The API of sites: consultants and admins add, list and remove them. Errors are `{"error": "..."}`."""

from typing import Annotated, Any

from flask import Blueprint, Response, request
from flask_login import current_user
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from alice import clock
from alice.accounts.user import ADMIN, CONSULTANT
from alice.clock import rfc3339
from alice.errors import Forbidden, NotFound
from alice.tracking import site
from alice.tracking.context import connect, tracking
from alice.tracking.dialects import body, errors
from alice.tracking.site import IDLE_MINUTES, LONGEST_RETENTION, MAX_ORIGINS, SiteRow
from alice.web import address
from alice.web.access import roles
from alice.web.context import settings
from alice.web.json import respond

blueprint = Blueprint("sites_api", __name__, url_prefix="/api/v2/sites")
connect(blueprint)
errors.install(blueprint)

Origin = Annotated[str, Field(max_length=300), AfterValidator(site.normal_origin)]


class NewSite(BaseModel):
    """A site to be added; unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore", strict=True)

    domain: Annotated[str, Field(min_length=1, max_length=300), AfterValidator(site.normal_domain)]
    name: Annotated[str, AfterValidator(site.normal_name)] | None = None  # None: the domain
    origins: Annotated[list[Origin], Field(max_length=MAX_ORIGINS)] = []
    idleMinutes: Annotated[int, Field(ge=IDLE_MINUTES[0], le=IDLE_MINUTES[1])] = 30  # noqa: N815
    retentionDays: Annotated[int, Field(ge=1, le=LONGEST_RETENTION)] | None = None  # noqa: N815


@blueprint.post("")
@roles(CONSULTANT, ADMIN)
def add_site() -> Response:
    """Add a site that belongs to the sender."""
    new = body.validated(NewSite, body.read(request.get_data(cache=False)))
    name = new.name or new.domain[: site.LONGEST_NAME]
    added = site.create(new.domain, name, current_user.id, new.origins, new.idleMinutes, new.retentionDays)
    return respond(_site_body(added), 201)


@blueprint.get("")
@roles(CONSULTANT, ADMIN)
def list_sites() -> Response:
    """The sender's sites (for admins all), the newest first."""
    found = site.everyones() if current_user.role == ADMIN else site.owned_by(current_user.id)
    return respond({"sites": [_site_body(row) for row in found]})


@blueprint.delete("/<site_id>")
@roles(CONSULTANT, ADMIN)
def remove_site(site_id: str) -> Response:
    """Delete a site of the sender (for admins any site) with all its data."""
    found = site.find(site_id)
    if found is None:
        raise NotFound("There is no site with this id.")
    if current_user.role != ADMIN and found.owner_id != current_user.id:
        raise Forbidden()
    site.remove(site_id)
    tracking().sites.forget(site_id)
    return respond({"success": True})


def _site_body(row: SiteRow) -> dict[str, Any]:
    here = settings().public_url or f"{address.scheme()}://{request.host}"
    return {
        "id": row.id,
        "domain": row.domain,
        "name": row.name,
        "origins": sorted(row.origins),
        "idleMinutes": row.idle_ms // clock.minutes(1),
        "retentionDays": row.retention_days,
        "embedCode": site.embed_code(row.id, here),
        "createdAt": rfc3339(row.created_at),
    }
