"""A person's own data: hand it out, and delete the account."""

from __future__ import annotations

import json
import uuid
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import ProtectedError
from django.utils.translation import gettext_lazy as _

from modelyard.core import clock, ids, queue
from modelyard.core.errors import Conflict, Invalid
from tenants import audit
from tenants import selectors as tenants
from tenants.access import Actor
from tenants.members.models import Invitation
from tenants.models import Membership, Role, User
from tenants.rights import catalog, certificates, selectors
from tenants.rights.models import Deletion
from tenants.rights.services.facts import facts_of
from tenants.rights.withheld import withheld
from tenants.scoping.context import tenant_scope


def own_data(user: User) -> dict[str, list[Any]]:
    """Return table -> rows of what the directories hold about a person, without secrets.

    Walked from the catalog: every table that refers to people and is not a tenant's own.
    """
    found = {"tenants_user": _rows("tenants_user", "id", user.pk)}
    for table, column in catalog.references("tenants_user"):
        found.setdefault(table, []).extend(_rows(table, column, user.pk))
    return {table: rows for table, rows in sorted(found.items()) if rows}


def _rows(table: str, column: str, user_id: uuid.UUID) -> list[Any]:
    hidden = withheld(table, catalog.columns(table))
    # Names come from the catalog itself, never from a request.
    statement = f'select (to_jsonb(t) - %s::text[])::text from "{table}" t where "{column}" = %s'  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, [hidden, user_id])
        return [json.loads(row) for (row,) in cursor.fetchall()]


def person_delete(*, user: User, typed_email: str) -> Deletion:
    """Delete an account for good: what remains is an id in the trail of workspaces.

    Sessions, authenticators, addresses, social accounts and memberships go with the person; keys
    that the person made are the workspaces' and stay.

    Raises:
        Invalid: `email_mismatch`.
        Conflict: `last_owner` of a workspace, or `operator`.
    """
    if typed_email.strip().lower() != user.email:
        raise Invalid(
            _("Type your e-mail address exactly, to show that you mean it."), code="email_mismatch"
        )
    if user.is_staff:
        raise _operator()
    try:
        with transaction.atomic():
            _refuse_last_owner(user)
            return _delete(user)
    except (IntegrityError, ProtectedError) as error:
        raise _operator() from error


def _refuse_last_owner(user: User) -> None:
    # Locked first, as everybody does who changes owners: of two who go at once one stays.
    places = Membership.objects.filter(user=user, role=Role.OWNER).order_by("tenant_id")
    for tenant_id in places.values_list("tenant_id", flat=True):
        tenants.tenant_lock(tenant_id)
    owned = selectors.last_owned(user)
    if owned:
        raise Conflict(
            _(
                "You are the last owner of %(names)s. Make somebody else an owner there, or delete"
                " the workspace; then delete your account."
            )
            % {"names": ", ".join(tenant.name for tenant in owned)},
            code="last_owner",
            workspaces=[tenant.slug for tenant in owned],
        )


def _operator() -> Conflict:
    return Conflict(
        _(
            "This account works in the operators' console, whose log must be kept. Ask another"
            " operator to take the account out of service."
        ),
        code="operator",
    )


def _delete(user: User) -> Deletion:
    person, email, began = user.pk, user.email, clock.now()
    for place in Membership.objects.select_related("tenant").filter(user=user):
        with tenant_scope(place.tenant_id):
            actor = Actor("user", str(person), place.tenant_id)
            audit.record(actor, "member.account_deleted", place)
    sessions = _sessions_end(user)
    invited, _ = Invitation.objects.filter(email=email).delete()
    _total, counts = user.delete()
    row = Deletion(
        id=ids.new(),
        kind=Deletion.Kind.PERSON,
        subject_id=person,
        recipients=[email],
        due_at=began,
        started_at=began,
        finished_at=clock.now(),
        status=Deletion.Status.DONE,
        phase="certify",
        evidence={
            "rows": {
                **_by_table(counts),
                "django_session": sessions,
                "members_invitation": invited,
            }
        },
    )
    row.certificate = certificates.sign(facts_of(row))
    row.save(force_insert=True)
    queue.enqueue("rights.mail_certificate", deletion_id=str(row.pk))
    return row


def _by_table(counts: dict[str, int]) -> dict[str, int]:
    return {label.lower().replace(".", "_"): count for label, count in counts.items() if count}


def _sessions_end(user: User) -> int:
    """End the sessions that the table of devices names; return how many."""
    # A session without such a row can't be found by its person; without the person it opens
    # nothing, and it expires by itself.
    with connection.cursor() as cursor:
        cursor.execute(
            "delete from django_session where session_key in"
            " (select session_key from usersessions_usersession where user_id = %s)",
            [user.pk],
        )
        return int(cursor.rowcount)
