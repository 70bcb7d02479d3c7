"""Refusals: exceptions that refuse a request. One handler (web/answers.py) turns them into responses."""

from collections.abc import Mapping


class Refusal(Exception):
    """Raised to refuse a request with an error response.

    `code` is for programs, `message` for people; `field` names the input at fault. The client sees all of
    them, so they must not contain internal details.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.field = field
        self.headers = dict(headers or {})


class Malformed(Refusal):
    def __init__(self, message: str, code: str = "malformed_json") -> None:
        super().__init__(400, code, message)


class Unauthenticated(Refusal):
    def __init__(self, message: str = "Please sign in.", code: str = "unauthenticated") -> None:
        super().__init__(401, code, message)


class Forbidden(Refusal):
    def __init__(self, message: str = "This is not open to you.", code: str = "forbidden") -> None:
        super().__init__(403, code, message)


class NotFound(Refusal):
    def __init__(self, message: str = "There is nothing here.", code: str = "not_found") -> None:
        super().__init__(404, code, message)


class Conflict(Refusal):
    def __init__(self, message: str, code: str = "conflict", field: str | None = None) -> None:
        super().__init__(409, code, message, field)


class TooLarge(Refusal):
    def __init__(self, message: str = "A request may hold at most 1 MB.") -> None:
        super().__init__(413, "too_large", message)


class UnsupportedMediaType(Refusal):
    def __init__(self, message: str) -> None:
        super().__init__(415, "unsupported_media_type", message)


class Invalid(Refusal):
    """Input that was parsed but is not valid; `field` is a path such as `activities[3].page_number`."""

    def __init__(self, message: str, field: str | None = None, code: str = "invalid") -> None:
        super().__init__(422, code, message, field)


class TooMany(Refusal):
    """Too many tries; `retry_after` is in whole seconds."""

    def __init__(self, retry_after: int, message: str = "Too many tries. Please wait a little.") -> None:
        super().__init__(429, "too_many_requests", message, headers={"Retry-After": str(max(1, retry_after))})


class ServiceUnavailable(Refusal):
    """Temporarily impossible; the same request may succeed after `retry_after` whole seconds."""

    def __init__(self, message: str = "Alice is busy. Please try again.", retry_after: int = 1) -> None:
        super().__init__(503, "unavailable", message, headers={"Retry-After": str(retry_after)})
