"""Refusals in Stripe's shape (https://docs.stripe.com/api/errors)."""

from __future__ import annotations

from collections.abc import Mapping


class Refused(Exception):
    """The call is refused.

    Args:
        message: What a person reads.
        status: HTTP status.
        kind: Stripe's `type` of the error.
        code: Stripe's code, if it has one.
        param: The parameter that is wrong.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str = "",
        param: str = "",
    ) -> None:
        """Keep the parts."""
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.code = code
        self.param = param

    def body(self) -> dict[str, object]:
        """Return the document on the wire."""
        more = {"code": self.code, "param": self.param}
        facts = {name: value for name, value in more.items() if value}
        return {"error": {"type": self.kind, "message": str(self), **facts}}


def missing(kind: str, name: str) -> Refused:
    """Return Stripe's answer to an id that it does not know."""
    return Refused(f"No such {kind}: '{name}'", status=404, code="resource_missing", param="id")


def declined(message: str) -> Refused:
    """Return the refusal of a card."""
    return Refused(message, status=402, kind="card_error", code="card_declined", param="number")


def only(params: Mapping[str, object], known: str) -> None:
    """Refuse parameters outside of `known` (names parted by blanks), as Stripe does.

    Raises:
        Refused: 400 `parameter_unknown`.
    """
    unknown = sorted(set(params) - set(known.split()) - {"expand"})
    if unknown:
        raise Refused(
            f"Received unknown parameter: {unknown[0]}", code="parameter_unknown", param=unknown[0]
        )


def needed(params: Mapping[str, object], name: str) -> str:
    """Return a parameter that must be there as text.

    Raises:
        Refused: 400 `parameter_missing`.
    """
    value = params.get(name)
    if not isinstance(value, str) or not value:
        raise Refused(f"Missing required param: {name}.", code="parameter_missing", param=name)
    return value
