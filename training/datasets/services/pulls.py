"""Pulls: started by a person or the schedule, run by a worker, stopped at any moment."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from modelyard.core import clock, live, queue
from modelyard.core.errors import Conflict
from tenants import access, audit
from tenants.access import Actor
from tenants.scoping.context import ops_scope, tenant_scope
from training.datasets.connector_selectors import pull_get
from training.datasets.models import Connector, Pull
from training.datasets.services import work
from training.datasets.services.crawl import crawl_run
from training.datasets.services.files import s3_run, url_run
from training.datasets.services.gathering import Gathering, PullFailed, TimeOver
from training.datasets.services.sweeping import work_add
from training.datasets.services.work import Claim, WorkLost

TASK = "datasets.pull"
INTERVALS: Mapping[str, dt.timedelta] = {
    Connector.Schedule.HOURLY: dt.timedelta(hours=1),
    Connector.Schedule.DAILY: dt.timedelta(days=1),
    Connector.Schedule.WEEKLY: dt.timedelta(weeks=1),
}
_RUN: Mapping[str, Callable[[Gathering], None]] = {
    Connector.Kind.URL: url_run,
    Connector.Kind.S3: s3_run,
    Connector.Kind.FEED: crawl_run,
    Connector.Kind.SITEMAP: crawl_run,
}
work_add(Pull, TASK, "pull_id")


def next_at(schedule: str) -> dt.datetime | None:
    """Return when a connector that is pulled now is pulled again; None for never by itself."""
    interval = INTERVALS.get(schedule)
    return None if interval is None else clock.now() + interval


def pull_start(*, actor: Actor, connector: Connector, scheduled: bool = False) -> Pull:
    """Order a pull; needs an open scope. A task runs it.

    Raises:
        Conflict: `pull_running`: the connector's last pull is still at work.
    """
    access.require(actor, "data.write")
    try:
        with transaction.atomic():
            pull: Pull = Pull.objects.create(
                connector=connector, moved_at=clock.now(), scheduled=scheduled
            )
    except IntegrityError as error:
        raise Conflict(
            _("This connector is being pulled already. Wait for it, or cancel that pull."),
            code="pull_running",
        ) from error
    Connector.objects.filter(pk=connector.pk).update(next_at=next_at(connector.schedule))
    audit.record(actor, "pull.ordered", pull, name=connector.name)
    queue.enqueue(TASK, tenant_id=str(pull.tenant_id), pull_id=str(pull.pk))
    live.publish(work.topic(pull))
    return pull


def pull_cancel(*, actor: Actor, pull_id: uuid.UUID) -> Pull:
    """Stop a pull; what it has handed over already stays. Needs an open scope.

    Raises:
        Conflict: It ended already.
        NotFound: There is none.
    """
    return work.cancel(actor=actor, row=pull_get(pull_id))


def pull_run(*, tenant_id: uuid.UUID, pull_id: uuid.UUID) -> None:
    """Run a pull, unless somebody does; delivered twice, done once."""
    claimed: Claim[Pull] | None = work.claim(Pull, tenant_id=tenant_id, row_id=pull_id)
    if claimed is None:
        return
    with tenant_scope(tenant_id):
        claimed.row.connector = Connector.objects.get(pk=claimed.row.connector_id)
    gathering = Gathering(claimed)
    try:
        try:
            _RUN[claimed.row.connector.kind](gathering)
        except PullFailed as failure:
            claimed.fail(failure.code, failure.detail)
        except TimeOver:
            claimed.fail("fetch_timeout")
    except WorkLost:
        return


def pulls_due() -> int:
    """Start the pulls whose time has come; return how many."""
    now = clock.now()
    with ops_scope("pulls that are due"):
        due = list(
            Connector.objects.filter(paused=False, next_at__lte=now)
            .order_by("next_at")
            .values_list("tenant_id", "id")[:500]
        )
    return sum(_start_due(tenant_id, connector_id, now) for tenant_id, connector_id in due)


def _start_due(tenant_id: uuid.UUID, connector_id: uuid.UUID, now: dt.datetime) -> bool:
    with tenant_scope(tenant_id):
        rows = Connector.objects.select_for_update().filter(
            pk=connector_id, paused=False, next_at__lte=now
        )
        connector = rows.first()
        if connector is None:  # somebody else was faster, or it was paused this moment
            return False
        try:
            pull_start(actor=access.system(tenant_id), connector=connector, scheduled=True)
        except Conflict:
            # The last one is still at work: the next turn comes at its time, not in a pile.
            Connector.objects.filter(pk=connector_id).update(next_at=next_at(connector.schedule))
            return False
    return True
