"""Dead letters: work that ended through us and not through the customer, by cause.

Runs that lost their worker or broke on our side, and events of Stripe that could not be
processed; each cause with what it is, whom it hit, and a replay of one or all.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from billing.models import StripeEvent
from modelyard.core import clock
from modelyard.ops import selectors
from training.jobs import failures
from training.jobs.models import Run
from training.jobs.states import RunStatus

RUN_DAYS = 14
WEBHOOK_DAYS = 30
SHOWN = 50
REPLAYED_AT_ONCE = 200
WAITS_SECONDS = 60
NO_CUSTOMER = "customer_unknown"


@dataclass
class Letter:
    """One run or event: its id for the form, and what the list says."""

    id: str
    title: str
    workspace: str
    at: dt.datetime
    url: str = ""


@dataclass
class Group:
    """Letters of one cause; `count` may be more than are shown."""

    kind: str
    code: str
    cause: str
    count: int
    letters: list[Letter] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Return the group's name in addresses."""
        return f"{self.kind}:{self.code or 'waiting'}"


def runs_dead(code: str = "") -> QuerySet[Run]:
    """Return failed runs of the last 14 days that we failed, latest first."""
    rows = Run.objects.filter(
        status=RunStatus.FAILED,
        error_code__in=[code] if code else selectors.PLATFORM,
        finished_at__gte=clock.now() - dt.timedelta(days=RUN_DAYS),
    )
    return selectors.with_tenant(rows).order_by("-finished_at")


def webhooks_dead(code: str | None = None) -> QuerySet[StripeEvent]:
    """Return events of the last 30 days that wait for over a minute or failed, latest first."""
    now = clock.now()
    waits = Q(processed_at=None, received_at__lt=now - dt.timedelta(seconds=WAITS_SECONDS))
    rows = StripeEvent.objects.filter(
        waits | ~Q(error=""), received_at__gte=now - dt.timedelta(days=WEBHOOK_DAYS)
    )
    if code is not None:
        rows = rows.filter(error="" if code == "waiting" else code)
    return rows.order_by("-received_at")


def count() -> int:
    """Return how many dead letters there are."""
    return runs_dead().count() + webhooks_dead().count()


def groups(*, link: Callable[[Run], str]) -> list[Group]:
    """Return the causes, the most frequent first; `link` leads to a run's page."""
    found: dict[tuple[str, str], Group] = {}
    for run in runs_dead().iterator(chunk_size=500):
        group = _group(found, "run", run.error_code, _run_cause)
        _add(group, lambda run=run: _run_letter(run, link(run)))  # type: ignore[misc]
    for event in webhooks_dead().iterator(chunk_size=500):
        group = _group(found, "webhook", event.error, _webhook_cause)
        _add(group, lambda event=event: _webhook_letter(event))  # type: ignore[misc]
    return sorted(found.values(), key=lambda group: -group.count)


def _group(
    found: dict[tuple[str, str], Group], kind: str, code: str, cause: Callable[[str], str]
) -> Group:
    if (kind, code) not in found:
        found[kind, code] = Group(kind, code, cause(code), 0)
    return found[kind, code]


def _add(group: Group, letter: Callable[[], Letter]) -> None:
    group.count += 1
    if len(group.letters) < SHOWN:
        group.letters.append(letter())


def _run_cause(code: str) -> str:
    return str(failures.FAILURES[code].cause)


def _run_letter(run: Any, url: str) -> Letter:
    return Letter(str(run.pk), run.title, run.tenant_slug, run.finished_at, url)


def _webhook_letter(event: StripeEvent) -> Letter:
    return Letter(event.pk, event.type, event.customer, event.received_at)


def _webhook_cause(code: str) -> str:
    if code == NO_CUSTOMER:
        return _("Stripe told of a customer whom no workspace has.")
    if not code:
        return _("Stripe's event waits: it was stored and never processed.")
    return _("Stripe could not be asked what holds now.")
