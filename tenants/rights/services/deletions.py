"""Ask for, and cancel, the deletion of a workspace; the work itself is `purging`."""

from __future__ import annotations

import datetime as dt
import uuid

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from modelyard.core import clock, queue
from modelyard.core.errors import Conflict, Forbidden, Invalid, NotFound
from tenants import access, audit
from tenants import selectors as tenants
from tenants.access import Actor
from tenants.rights import selectors
from tenants.rights.models import Deletion
from tenants.rights.services import purging
from tenants.rights.states import DELETION, OPEN_DELETION
from tenants.scoping.context import ops_scope

AFTERWARDS = dt.timedelta(hours=1)
"""So long after its end a deletion looks for what a worker stored late."""


def _require_owner(actor: Actor) -> None:
    """Pass for a person who owns the workspace; a key never deletes one."""
    access.require(actor, "workspace.delete")
    if actor.kind != "user" or not selectors.is_owner(actor.tenant_id, actor.id):
        raise Forbidden(
            _("Only an owner can delete the workspace. Ask one of them."), code="owner_needed"
        )


def deletion_request(*, actor: Actor, typed_name: str) -> Deletion:
    """Schedule the deletion of the actor's workspace; until then everything works on.

    Raises:
        Forbidden: The actor does not own it.
        Invalid: `name_mismatch`: what was typed is not its name.
        Conflict: It is scheduled already.
    """
    _require_owner(actor)
    tenant = tenants.tenant_get(actor.tenant_id)
    if typed_name.strip() != tenant.name:
        raise Invalid(
            _("Type the name of the workspace exactly, to show that you mean it: %(name)s")
            % {"name": tenant.name},
            code="name_mismatch",
        )
    owners = selectors.owners_of(tenant.pk)
    try:
        with transaction.atomic():
            row = Deletion.objects.create(
                kind=Deletion.Kind.TENANT,
                subject_id=tenant.pk,
                subject_name=tenant.name,
                recipients=[owner.email for owner in owners],
                requested_by=uuid.UUID(actor.id),
                due_at=clock.now() + dt.timedelta(days=settings.DELETION_GRACE_DAYS),
            )
    except IntegrityError as error:
        raise Conflict(
            _("The deletion of this workspace is scheduled already."), code="deletion_scheduled"
        ) from error
    audit.record(actor, "workspace.deletion_requested", row, due_at=row.due_at)
    queue.enqueue("rights.mail_scheduled", deletion_id=str(row.pk))
    return row


def deletion_cancel(*, actor: Actor) -> Deletion:
    """Cancel the scheduled deletion: nothing was removed yet.

    Raises:
        NotFound: None is scheduled.
        Conflict: It has begun.
    """
    _require_owner(actor)
    row = selectors.deletion_open(actor.tenant_id)
    if row is None:
        raise NotFound(_("No deletion of this workspace is scheduled."), code="deletion_absent")
    rows = Deletion.objects.filter(pk=row.pk)
    if not DELETION.advance(rows, Deletion.Status.CANCELLED, cancelled_at=clock.now()):
        raise Conflict(
            _("The deletion has begun, so it can't be cancelled any more."),
            code="deletion_running",
        )
    row.refresh_from_db()
    audit.record(actor, "workspace.deletion_cancelled", row)
    queue.enqueue("rights.mail_cancelled", deletion_id=str(row.pk))
    return row


def deletions_sweep() -> int:
    """Ring for deletions that are due, or lost their worker, and for mails that did not go."""
    now = clock.now()
    with ops_scope("rights.sweep"):
        rows = Deletion.objects.filter(due_at__lte=now)
        due = [
            *rows.filter(status="scheduled"),
            *rows.filter(status="running", lease_until__lt=now),
        ]
        for row in due:
            queue.enqueue("rights.purge", deletion_id=str(row.pk))
        late = now - dt.timedelta(seconds=settings.RUN_SWEEP_AFTER_SECONDS)
        unsent = rows.filter(status="done", finished_at__lt=late).exclude(recipients=[])
        for row in unsent:
            queue.enqueue("rights.mail_certificate", deletion_id=str(row.pk))
        # A cancelled one keeps no addresses either.
        _blank_cancelled(late)
        over = list(rows.filter(kind="tenant", status="done", finished_at__gt=now - AFTERWARDS))
    for row in over:
        purging.leftovers_remove(row)
    return len(due)


def _blank_cancelled(before: dt.datetime) -> None:
    rows = Deletion.objects.filter(status="cancelled", cancelled_at__lt=before)
    rows.exclude(recipients=[]).update(recipients=[], subject_name="", requested_by=None)


def is_going(tenant_id: uuid.UUID) -> bool:
    """Tell whether the tenant's deletion is scheduled or runs."""
    rows = Deletion.objects.filter(subject_id=tenant_id, status__in=OPEN_DELETION)
    return bool(rows.exists())
