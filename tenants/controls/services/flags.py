"""Make, change and delete flags; put tenants on their lists."""

from __future__ import annotations

import re
import uuid
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from modelyard.core.errors import Conflict, Invalid, NotFound
from tenants import audit
from tenants.controls.models import Flag, FlagTenant, OperatorAct
from tenants.controls.reasons import reason_clean
from tenants.controls.types import Operator
from tenants.scoping.context import tenant_scope

_NAME = re.compile(r"[a-z][a-z0-9_-]{1,59}")


def flag_make(*, operator: Operator, name: str, note: str, reason: str) -> Flag:
    """Make a flag that is off for everyone who is not listed.

    Raises:
        Invalid: The name is none, or there is no reason.
        Conflict: There is one of that name.
    """
    why = reason_clean(reason)
    name = name.strip().lower()
    if not _NAME.fullmatch(name):
        raise Invalid(
            _("Use 2 to 60 lower-case letters, digits, hyphens and underscores, a letter first."),
            code="flag_name",
        )
    with transaction.atomic():
        if Flag.objects.filter(name=name).exists():
            raise Conflict(_("There is a flag of that name already."), code="flag_name_taken")
        flag = Flag(name=name, note=" ".join(note.replace("\x00", "").split())[:300])
        flag.save()
        _act(operator, "flag.made", flag, why)
    return flag


def flag_set(
    *, operator: Operator, name: str, everyone: bool | None, percent: Decimal, reason: str
) -> Flag:
    """Say for whom a flag is on beyond its list.

    Args:
        operator: Who.
        name: Which flag.
        everyone: On or off for all; None lets list and percent decide.
        percent: Of all tenants, 0 to 99.9; always the same ones.
        reason: Why.

    Raises:
        Invalid: No reason, or a percentage that is none.
        NotFound: There is no such flag.
    """
    why = reason_clean(reason)
    if not 0 <= percent < 100:
        raise Invalid(_("Give a percentage from 0 to 99.9."), code="flag_percent")
    with transaction.atomic():
        flag = _locked(name)
        before = {"everyone": flag.everyone, "percent": flag.percent}
        flag.everyone, flag.percent = everyone, percent.quantize(Decimal("0.1")) or None
        after = {"everyone": flag.everyone, "percent": flag.percent}
        if before == after:
            raise Conflict(_("It is so already; nothing was changed."), code="flag_unchanged")
        flag.save()
        _act(operator, "flag.changed", flag, why, before=before, after=after)
    return flag


def flag_delete(*, operator: Operator, name: str, reason: str) -> None:
    """Delete a flag: the feature is off for everyone.

    Raises:
        Invalid: There is no reason.
        NotFound: There is no such flag.
    """
    why = reason_clean(reason)
    with transaction.atomic():
        flag = _locked(name)
        _act(operator, "flag.deleted", flag, why, everyone=flag.everyone, percent=flag.percent)
        flag.delete()


def flag_list(
    *, operator: Operator, tenant_id: uuid.UUID, name: str, on: bool, reason: str
) -> None:
    """Put a tenant on a flag's list, or take it off; stands in the tenant's audit trail.

    Raises:
        Invalid: There is no reason.
        NotFound: There is no such flag.
        Conflict: It is so already.
    """
    why = reason_clean(reason)
    with tenant_scope(tenant_id):
        flag = _locked(name)
        if on:
            _row, changed = FlagTenant.objects.get_or_create(flag=flag, tenant_id=tenant_id)
        else:
            rows = FlagTenant.objects.filter(flag=flag, tenant_id=tenant_id)
            changed = bool(rows.delete()[0])
        if not changed:
            raise Conflict(_("It is so already; nothing was changed."), code="flag_unchanged")
        audit.record(
            operator.acting_for(tenant_id),
            "flag.enabled" if on else "flag.disabled",
            flag,
            name=flag.name,
            who=operator.who,
            reason=why,
        )
        transaction.on_commit(flag.flush)


def _locked(name: str) -> Flag:
    flag: Flag | None = Flag.objects.select_for_update().filter(name=name).first()
    if flag is None:
        raise NotFound(_("There is no such flag."))
    return flag


def _act(operator: Operator, action: str, flag: Flag, reason: str, **facts: object) -> None:
    OperatorAct.objects.create(
        user_id=operator.user_id,
        who=operator.who,
        action=action,
        subject=flag.name,
        reason=reason,
        facts=facts,
        request_id=operator.request_id,
    )
