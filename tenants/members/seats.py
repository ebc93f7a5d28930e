"""May another person come? Billing, which lies above, answers by a registered callable."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from tenants.members import selectors

Check = Callable[[uuid.UUID, int, int], None]
"""`check(tenant_id, more, stands)` raises `QuotaExceeded` when the plan has not that many seats."""
_checks: list[Check] = []


def limited_by(check: Check) -> None:
    """Register who knows how many seats a workspace's plan has."""
    _checks.append(check)


def require(tenant_id: uuid.UUID, *, more: int) -> None:
    """Pass when the plan allows `more` people than are in and invited now.

    The caller holds the tenant's row locked, so that two can't take the last seat.

    Raises:
        QuotaExceeded: With the plan's limit and the address of the plans.
    """
    stands = selectors.seat_count(tenant_id)
    for check in _checks:
        check(tenant_id, more, stands)
