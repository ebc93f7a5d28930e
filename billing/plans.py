"""The plans, as data: what each allows, and what it costs.

A *meter* counts what flows in a billing period (the ledger's entries); a *limit* without a
meter counts what stands at a moment (rows, bytes, seats). `None` is no limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from tenants.limits.allowance import Allowance, Allowances

PREDICTIONS = "predictions"
TRAIN_MS = "train_ms"
METERS = (PREDICTIONS, TRAIN_MS)
"""Counted by the ledger: answered texts, milliseconds of training."""

EXAMPLES = "examples"
STORAGE_BYTES = "storage_bytes"
DEPLOYMENTS = "deployments"
SEATS = "seats"
STOCKS = (DEPLOYMENTS, EXAMPLES, STORAGE_BYTES, SEATS)
"""Counted by their owners at the moment of the question."""

LIMITS = (*METERS, *STOCKS)
TITLES: Mapping[str, Promise] = MappingProxyType(
    {
        PREDICTIONS: _("Predictions"),
        TRAIN_MS: _("Training time"),
        EXAMPLES: _("Examples"),
        STORAGE_BYTES: _("Storage"),
        DEPLOYMENTS: _("Deployments"),
        SEATS: _("Seats"),
    }
)

KEY_SHARE = 0.8
"""Of the rate of predictions, what one key may take: a key that runs away leaves room."""
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True)
class Plan:
    """One plan.

    Attributes:
        name: Stable name in rows and on the wire.
        label: What people read, in any language.
        limits: Limit name -> amount; None is no limit.
        price_cents: A month's price in euro cents.
        rate: Requests a second at the door of predictions, in the long run.
        burst: Requests that may come at once.
        api: What the rest of the API may be asked: by the workspace, and by each key or member.
        file_bytes: The largest file that may be uploaded; None leaves it to the installation.
    """

    name: str
    label: Promise
    limits: Mapping[str, int | None]
    price_cents: int
    rate: float
    burst: int
    api: Allowances
    file_bytes: int | None = None

    @property
    def title(self) -> str:
        """What people read, in the language that is active."""
        return str(self.label)

    @property
    def lookup_key(self) -> str:
        """Return the name of its price at Stripe (`lookup_key` of a monthly price in euro)."""
        return f"modelyard_{self.name}_month"


FREE = Plan(
    name="free",
    label=_("Free"),
    limits=MappingProxyType(
        {
            PREDICTIONS: 1_000,
            TRAIN_MS: 30 * MINUTE_MS,
            EXAMPLES: 20_000,
            STORAGE_BYTES: GIB,
            DEPLOYMENTS: 1,
            SEATS: 2,
        }
    ),
    price_cents=0,
    rate=20.0,
    burst=50,
    api=Allowances(
        tenant=Allowance(rate=20.0, burst=200, at_once=12),
        each=Allowance(rate=10.0, burst=120, at_once=8),
    ),
    file_bytes=500 * MIB,
)
TEAM = Plan(
    name="team",
    label=_("Team"),
    limits=MappingProxyType(
        {
            PREDICTIONS: 100_000,
            TRAIN_MS: 10 * HOUR_MS,
            EXAMPLES: 1_000_000,
            STORAGE_BYTES: 100 * GIB,
            DEPLOYMENTS: 10,
            SEATS: 10,
        }
    ),
    price_cents=4_900,
    rate=100.0,
    burst=200,
    api=Allowances(
        tenant=Allowance(rate=100.0, burst=1_000, at_once=48),
        each=Allowance(rate=50.0, burst=500, at_once=24),
    ),
    file_bytes=10 * GIB,
)
SELF_HOSTED = Plan(
    name="self-hosted",
    label=_("Self-hosted"),
    limits=MappingProxyType(dict.fromkeys(LIMITS)),
    price_cents=0,
    rate=0.0,
    burst=0,
    api=Allowances(),
)
PLANS: Mapping[str, Plan] = MappingProxyType(
    {plan.name: plan for plan in (FREE, TEAM, SELF_HOSTED)}
)
OFFERED = (FREE, TEAM)
"""What the pricing page shows, in its order."""
SOLD: Mapping[str, Plan] = MappingProxyType({plan.name: plan for plan in (TEAM,)})
"""What can be bought."""
CURRENCY = "eur"
CHOSEN_PLAN = "chosen_plan"
"""Name in the session of the plan that somebody chose before signing up."""


def price_list() -> list[dict[str, object]]:
    """Return what has to be on sale at Stripe: products with a monthly price and lookup key."""
    return [
        {
            "name": f"Modelyard {plan.name.title()}",
            "lookup_key": plan.lookup_key,
            "unit_amount": plan.price_cents,
            "currency": CURRENCY,
        }
        for plan in SOLD.values()
    ]


def by_lookup_key(key: str) -> Plan | None:
    """Return the plan that a price of Stripe stands for, or None."""
    return next((plan for plan in SOLD.values() if plan.lookup_key == key), None)
