"""Request bodies of the EventTracker dialect: sessions and events of `events_v1`, typed and bounded.

Unknown keys are ignored, as in the original program. Texts are stored unchanged, but URLs lose every query
parameter that is not a campaign's, since it may be personal data.
"""

import re
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from alice.clock import from_iso8601

NUMERIC = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# The only query parameters that are stored.
CAMPAIGN = ("utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "ref", "source")


def _number(value: Any) -> Any:
    """Convert a numeric string; return anything else unchanged, to be validated as a float."""
    if not isinstance(value, str):
        return value
    if len(value) > 40 or not NUMERIC.fullmatch(value.strip()):
        raise ValueError("must be a number, or a numeric string")
    return float(value)


def _uuid(text: str) -> str:
    """Require a UUID: ids are unique per site, so those of different visitors must not collide."""
    try:
        return str(UUID(text))
    except ValueError:
        raise ValueError("must be a UUID") from None


def _millis(text: str) -> int:
    try:
        return from_iso8601(text)
    except ValueError:
        raise ValueError("must be a time such as 2025-01-20T10:30:00Z") from None


def _clean_url(text: str) -> str:
    """Remove the fragment, user name and password, and all query parameters but the campaign's.

    Of a URL that is not a page's (mailto:, tel:, javascript:) only the scheme is left; of an invalid one,
    nothing.
    """
    try:
        scheme, host, path, query, _ = urlsplit(text.strip())
    except ValueError:
        return ""
    if scheme not in ("", "http", "https"):
        return f"{scheme}:"
    kept = [(name, value) for name, value in parse_qsl(query) if name in CAMPAIGN]
    return urlunsplit((scheme, host.rpartition("@")[2], path, urlencode(kept), ""))


Id = Annotated[str, Field(min_length=1, max_length=200)]
Label = Annotated[str, Field(max_length=200)]  # an id from another system; may be empty
Short = Annotated[str, Field(max_length=1000)]
Url = Annotated[str, Field(max_length=4096), AfterValidator(_clean_url)]
Number = Annotated[float, BeforeValidator(_number)]
Milliseconds = Annotated[float, Field(ge=0, le=86_400_000)]
Pixels = Annotated[int, Field(ge=0, le=65_535)]
Timeout = Annotated[int, Field(ge=5, le=30)]


class Request(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


class SessionId(Request):
    """A request with nothing but the id of its session."""

    session_id: Id


class PageFields(Request):
    """What a client may send about the page on which its session opens, as in `session_v1`."""

    page_url: Url | None = None
    uri: Url | None = None
    referrer: Url | None = None
    referrer_url: Url | None = None
    language: Annotated[str, Field(max_length=35)] | None = None
    timezone: Annotated[str, Field(max_length=64)] | None = None
    screen: Annotated[str, Field(pattern=r"^\d{1,5}x\d{1,5}$")] | None = None
    utm_source: Label | None = None
    utm_medium: Label | None = None
    utm_campaign: Label | None = None
    utm_term: Label | None = None
    utm_content: Label | None = None
    ref: Label | None = None
    source: Label | None = None


class SessionFields(PageFields):
    campaign_id: Label
    workspace_id: Label
    project_id: Id
    landing_page_id: Label
    attribution_id: Label | None = None
    segment_id: Label | None = None
    ab_test_id: Label | None = None
    ab_test_variant_id: Label | None = None
    environment: Label | None = None
    campaign_environment: Label | None = None
    is_ephemeral: bool | None = None  # no consent: the visitor must not be recognised later
    session_timeout_minutes: Timeout | None = None  # None: the site's


class Init(SessionFields):
    session_id: Id
    user_id: Id


class Renewal(SessionFields):
    new_session_id: Id | None = None  # None: one is made
    old_session_id: Id | None = None
    user_id: Id | None = None  # None: the old session's
    campaign_slug: Label | None = None
    original_hostname: Label | None = None
    preserved_attribution: dict[str, Any] | None = None
    current_url_utm: dict[str, Any] | None = None
    current_referrer: Url | None = None


EventType = Literal["pageview", "click", "scroll", "form_submit", "conversion", "engagement", "system"]


class Event(Request):
    session_id: Id
    project_id: Id | None = None
    id: Annotated[str, Field(max_length=64), AfterValidator(_uuid)] | None = None
    timestamp: Annotated[str, Field(max_length=40), AfterValidator(_millis)] | None = None
    event_type: EventType
    event_id: Label | None = None  # its name, such as "page-view"
    event_value: Number | None = None
    event_value_currency: Annotated[str, Field(max_length=10)] | None = None
    event_value_type: Literal["dynamic", "static"] | None = None
    event_placement: Literal["internal", "external"] | None = None
    attribution_id: Label | None = None
    segment_id: Label | None = None
    ab_test_id: Label | None = None
    ab_test_variant_id: Label | None = None
    form_id: Short | None = None
    clicked_element: Short | None = None
    clicked_url: Url | None = None
    page_load_time: Milliseconds | None = None
    dom_ready_time: Milliseconds | None = None
    scroll_percentage: Annotated[int, Field(ge=0, le=100)] | None = None
    time_on_page: Annotated[int, Field(ge=0, le=4_294_967_295)] | None = None  # seconds
    viewport_width: Pixels | None = None
    viewport_height: Pixels | None = None
    metadata: Annotated[str, Field(max_length=16_384)] | None = None  # JSON text
    environment: Label | None = None
    campaign_environment: Label | None = None
    page_url: Url | None = None
    referrer_url: Url | None = None
