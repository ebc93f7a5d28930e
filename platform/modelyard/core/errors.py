"""Domain errors: raised deep, rendered once (page, problem+json, command line).

Each carries a stable `code` for programs, a sentence for people that says what to do, an
HTTP status, and data. RFC 9457 is the shape on the wire (`modelyard.core.http.problem`).
"""

from __future__ import annotations


class DomainError(Exception):
    """A refusal the caller can understand and act on.

    Args:
        message: A sentence (may be a lazy translation) that says what to do.
        code: Stable machine-readable name, `snake_case`.
        data: Further fields of the problem document.
    """

    status = 400
    default_code = "bad_request"

    def __init__(self, message: object, *, code: str = "", **data: object) -> None:
        """Keep message, code and data."""
        super().__init__(message)
        self._message = message
        self.code = code or self.default_code
        self.data: dict[str, object] = data

    @property
    def message(self) -> str:
        """The sentence, in the language that is active now."""
        return str(self._message)


class Unauthenticated(DomainError):
    """Nobody is signed in, or the key is unknown, expired or revoked."""

    status = 401
    default_code = "unauthenticated"


class QuotaExceeded(DomainError):
    """A limit of the plan is reached; data: meter, limit, used, upgrade_url."""

    status = 402
    default_code = "quota_exceeded"


class Forbidden(DomainError):
    """The actor is known and may not do this."""

    status = 403
    default_code = "forbidden"


class NotFound(DomainError):
    """No such thing here; also the answer for another tenant's things."""

    status = 404
    default_code = "not_found"


class Conflict(DomainError):
    """The thing is in a state that does not allow this now."""

    status = 409
    default_code = "conflict"


class TooLarge(DomainError):
    """The body or file is larger than allowed."""

    status = 413
    default_code = "too_large"


class Invalid(DomainError):
    """The input is understood and wrong; data may hold `fields`."""

    status = 422
    default_code = "invalid"


class TooMany(DomainError):
    """Too many requests; data: retry_after in seconds."""

    status = 429
    default_code = "rate_limited"


class PredictionFailed(DomainError):
    """The model could not answer this text; nothing was charged."""

    status = 500
    default_code = "prediction_failed"


class Unavailable(DomainError):
    """A part is down or busy; data: retry_after in seconds."""

    status = 503
    default_code = "unavailable"
