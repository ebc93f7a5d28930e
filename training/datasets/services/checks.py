"""Ordering and running checks of a dataset's health; each lands, and fails, by itself.

A check and a change never run on the same dataset at once: a fix goes by the flags of a check
that is done and still holds, so while rows are being changed the flags stay as they are.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from django.conf import settings
from django.utils.translation import gettext as _

from modelyard.core import clock, live, queue
from tenants import access, audit
from tenants.access import Actor
from tenants.scoping.context import tenant_scope
from training.datasets import checking, selectors
from training.datasets.models import Change, Check, Dataset, Flag
from training.datasets.services import changes, sweeping, work
from training.datasets.services.datasets import texts_require
from training.datasets.services.questions import QUESTIONS, Asking
from training.datasets.states import CHECKS, WORK

sweeping.work_add(Check, "datasets.check", "check_id")
_MOVING = ("waiting", "running", "undoing")


def checks_start(
    *, actor: Actor, dataset_id: uuid.UUID, kinds: Sequence[str] = CHECKS
) -> list[Check]:
    """Order checks of a dataset; those that run already run once more. Needs an open scope.

    Raises:
        Conflict: `change_running`, `texts_only`.
        NotFound: No such dataset.
    """
    access.require(actor, "data.write")
    dataset = selectors.dataset_get(dataset_id)
    if kinds != CHECKS and not {*kinds} <= {*checking.kinds_of(dataset)}:
        texts_require(dataset, _("This check is for texts. Of images only labels are checked."))
    Dataset.objects.select_for_update().get(pk=dataset.pk)
    changes.refuse_while_changing(dataset.pk)
    kinds = [kind for kind in kinds if kind in checking.kinds_of(dataset)]
    audit.record(actor, "check.ordered", dataset, kinds=kinds)
    return _order(dataset.pk, kinds)


def checks_follow(dataset_id: uuid.UUID) -> None:
    """Check a dataset whose rows have just changed, by an import or a change; in its scope."""
    if settings.CHECK_BY_ITSELF:
        _order(dataset_id, checking.kinds_of(selectors.dataset_get(dataset_id)))


def _order(dataset_id: uuid.UUID, kinds: Sequence[str]) -> list[Check]:
    now = clock.now()
    ordered = []
    for kind in kinds:
        check, made = Check.objects.get_or_create(
            dataset_id=dataset_id, kind=kind, defaults={"moved_at": now, "asked_at": now}
        )
        again = Check.objects.filter(pk=check.pk)
        if not made:
            again.update(asked_at=now)
            moved = WORK.advance(
                again, "waiting", moved_at=now, error_code="", error_data={}, lease_until=None
            )
            made = bool(moved)
        check.refresh_from_db()
        # One that waits already may have been turned away while a change was on its way.
        if made or check.status == Check.Status.WAITING:
            _ring(check)
        ordered.append(check)
    return ordered


def _ring(check: Check) -> None:
    queue.enqueue("datasets.check", tenant_id=str(check.tenant_id), check_id=str(check.pk))


def checks_cancel(*, actor: Actor, dataset_id: uuid.UUID) -> list[Check]:
    """Stop the checks of a dataset that wait or run, and return them; needs an open scope.

    Raises:
        NotFound: No such dataset.
    """
    access.require(actor, "data.write")
    dataset = selectors.dataset_get(dataset_id)
    open_ones = Check.objects.filter(dataset=dataset, status__in=["waiting", "running"])
    return [work.cancel(actor=actor, row=check) for check in open_ones.select_for_update()]


def check_run(*, tenant_id: uuid.UUID, check_id: uuid.UUID) -> None:
    """Run a check, unless somebody does or rows are being changed; delivered twice, done once."""
    with tenant_scope(tenant_id):
        check = Check.objects.filter(pk=check_id).first()
        if check is None or _changing(check.dataset_id):
            return
    claimed = work.claim(Check, tenant_id=tenant_id, row_id=check_id)
    if claimed is None:
        return
    try:
        _run(claimed)
    except work.WorkLost:
        return


def _changing(dataset_id: uuid.UUID) -> bool:
    """Say whether a change is on its way; when it ends, it asks for the checks itself."""
    Dataset.objects.select_for_update().get(pk=dataset_id)
    return bool(Change.objects.filter(dataset=dataset_id, status__in=_MOVING).exists())


def _run(claimed: work.Claim[Check]) -> None:
    check = claimed.row
    with tenant_scope(check.tenant_id):
        mark = checking.rows_mark(check.dataset_id)
        total = selectors.dataset_get(check.dataset_id).example_count
        claimed.keep(total=total, done=0, rows_seen=0, mark=mark)
        Flag.objects.filter(source=check).delete()
    asking = Asking(claimed)
    result = QUESTIONS[check.kind](asking)
    asking.write()
    now = clock.now()
    with tenant_scope(check.tenant_id):
        claimed.keep(result=result, rows_seen=asking.seen, done=asking.seen)
        WORK.require(check, "done", moved_at=now, finished_at=now, lease_until=None, attempt=0)
        live.publish(work.topic(check))
        if check.started_at is not None and check.asked_at > check.started_at:
            WORK.require(check, "waiting", moved_at=now)
            _ring(check)


changes.after_add(checks_follow)
