"""What a workspace's plan allows of the API; plans are billing's, which stands above us.

Billing registers how to look it up (`allow_by`); the answer is kept for a few seconds a process,
because the question is asked at every request.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings

KEPT_SECONDS = 15.0
_MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Allowance:
    """One limit.

    Attributes:
        rate: Requests a second in the long run; 0 is no limit.
        burst: Requests that may come at once, when none came for a while.
        at_once: Requests that may be under way at the same time; 0 is no limit.
    """

    rate: float = 0.0
    burst: int = 0
    at_once: int = 0

    @property
    def interval(self) -> float:
        """Microseconds between two requests in the long run; 0 is no limit."""
        return 1_000_000 / self.rate if self.rate else 0.0

    def times(self, factor: float) -> Allowance:
        """Return the same limit, so many times as wide."""
        return Allowance(self.rate * factor, int(self.burst * factor), int(self.at_once * factor))


@dataclass(frozen=True, slots=True)
class Allowances:
    """What a plan allows: to the workspace as a whole, and to each key or member of it."""

    tenant: Allowance = Allowance()
    each: Allowance = Allowance()

    @property
    def unlimited(self) -> bool:
        """Tell whether nothing is counted."""
        return self == Allowances()

    def times(self, factor: float) -> Allowances:
        """Return the same limits, so many times as wide."""
        return Allowances(self.tenant.times(factor), self.each.times(factor))


class _Known:
    """Who is asked, and what was answered lately."""

    source: Callable[[uuid.UUID], Allowances] | None = None
    kept: dict[uuid.UUID, tuple[float, Allowances]] = {}


def allow_by(source: Callable[[uuid.UUID], Allowances]) -> None:
    """Register who knows what a tenant's plan allows."""
    _Known.source = source


def forget(tenant_id: uuid.UUID) -> None:
    """Ask again at the tenant's next request: its plan has changed."""
    _Known.kept.pop(tenant_id, None)


def allowances_of(tenant_id: uuid.UUID) -> Allowances:
    """Return what the tenant's plan allows now, at most 15 s old; without billing, everything."""
    now = time.monotonic()
    found = _Known.kept.get(tenant_id)
    if found is None or found[0] < now:
        if _Known.source is None:
            return Allowances()
        if len(_Known.kept) >= _MOST_KEPT:
            _Known.kept.clear()
        found = (now + KEPT_SECONDS, _Known.source(tenant_id))
        _Known.kept[tenant_id] = found
    return found[1].times(settings.API_LIMITS_FACTOR)
