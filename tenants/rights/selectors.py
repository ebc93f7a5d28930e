"""Reads: exports, deletions, retention, and what stands in the way of deleting an account."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from modelyard.core import clock
from modelyard.core.errors import NotFound
from tenants.models import Membership, Role, Tenant, User
from tenants.rights import hooks, states
from tenants.rights.hooks import Rule
from tenants.rights.models import Deletion, Export, Retention

ROW_UNITS = 400
"""What a row counts beside the bytes of files, in the share of work that is done."""


def export_list() -> QuerySet[Export]:
    """Return the exports of the tenant in scope, newest first."""
    return Export.objects.order_by("-id")


def export_get(export_id: uuid.UUID) -> Export:
    """Return one export.

    Raises:
        NotFound: There is none of that id here.
    """
    found = Export.objects.filter(pk=export_id).first()
    if found is None:
        raise NotFound(_("There is no such export."))
    return found


@dataclass(frozen=True)
class Progress:
    """How far an export is: percent (0 to 100) and seconds left (None: not known yet)."""

    percent: int
    eta: float | None


def export_progress(export: Export) -> Progress:
    """Return how far it is, from the work done since it began."""
    if not export.units_all or export.started_at is None:
        return Progress(0, None)
    share = min(1.0, export.units / export.units_all)
    elapsed = (clock.now() - export.started_at).total_seconds()
    # A guess from the first instants would jump about.
    eta = elapsed * (1 - share) / share if share > 0.02 and elapsed > 2 else None
    return Progress(int(share * 100), eta)


def deletion_open(subject_id: uuid.UUID) -> Deletion | None:
    """Return the deletion that is scheduled for, or runs on, a tenant or person; or None."""
    rows = Deletion.objects.filter(subject_id=subject_id, status__in=states.OPEN_DELETION)
    return rows.first()


def certificate_get(deletion_id: uuid.UUID) -> dict[str, object]:
    """Return the certificate of a finished deletion.

    Raises:
        NotFound: There is none of that id, or it is not finished.
    """
    row = Deletion.objects.filter(pk=deletion_id, status="done").first()
    if row is None or row.certificate is None:
        raise NotFound(_("There is no such certificate."))
    found: dict[str, object] = row.certificate
    return found


def retention_of() -> list[tuple[Rule, int | None]]:
    """Return each rule with what the tenant in scope keeps (None: for ever)."""
    row = Retention.objects.first()
    chosen = row.keep if row is not None else {}
    return [(rule, chosen.get(rule.name, rule.usual)) for rule in hooks.rules.values()]


def owners_of(tenant_id: uuid.UUID) -> list[User]:
    """Return the owners of a tenant."""
    return list(User.objects.filter(memberships__tenant_id=tenant_id, memberships__role=Role.OWNER))


def is_owner(tenant_id: uuid.UUID, user_id: str) -> bool:
    """Tell whether a person owns the tenant."""
    rows = Membership.objects.filter(tenant_id=tenant_id, role=Role.OWNER)
    return rows.filter(user_id=user_id).exists()


def last_owned(user: User) -> list[Tenant]:
    """Return the workspaces that would have no owner without this person."""
    mine = Membership.objects.filter(user=user, role=Role.OWNER)
    others = Membership.objects.filter(role=Role.OWNER).exclude(user=user)
    return list(
        Tenant.objects.filter(memberships__in=mine)
        .exclude(pk__in=others.values("tenant_id"))
        .order_by("name")
    )
