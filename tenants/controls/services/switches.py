"""Stop and start parts of the whole site."""

from __future__ import annotations

from django.db import transaction
from django.utils.translation import gettext_lazy as _

from modelyard.core import clock
from modelyard.core.errors import Conflict, Invalid
from tenants.controls import hooks, switches
from tenants.controls.models import OperatorAct, Switch
from tenants.controls.reasons import reason_clean
from tenants.controls.types import Operator

NOTE_LENGTH = 300


def switch_set(
    *, operator: Operator, name: str, stopped: bool, note: str = "", reason: str
) -> Switch:
    """Stop a part of the site or start it again; acts everywhere within two seconds.

    Args:
        operator: Who.
        name: One of `switches.NAMES`; the maintenance banner is shown while it is "stopped".
        stopped: Whether it stands still from now on.
        note: What people read about it.
        reason: Why, for the operators' own list.

    Raises:
        Invalid: No reason, a note that is too long, a banner without text, no such switch.
        Conflict: It is so already.
    """
    why = reason_clean(reason)
    text = " ".join(note.replace("\x00", "").split())
    if name not in switches.NAMES:
        raise Invalid(_("There is no such switch."), code="switch_unknown")
    if len(text) > NOTE_LENGTH:
        raise Invalid(
            _("The text may have %(most)d characters.") % {"most": NOTE_LENGTH}, code="note_long"
        )
    if name == switches.MAINTENANCE and stopped and not text:
        raise Invalid(_("Write what the banner says."), code="note_missing")
    with transaction.atomic():
        Switch.objects.get_or_create(name=name, defaults={"changed_at": clock.now()})
        row = Switch.objects.select_for_update().get(name=name)
        if (row.stopped, row.note) == (stopped, text):
            raise Conflict(_("It is so already; nothing was changed."), code="switch_unchanged")
        again = row.stopped and not stopped
        row.stopped, row.note = stopped, text
        row.changed_at, row.changed_by = clock.now(), operator.who
        row.save()
        OperatorAct.objects.create(
            user_id=operator.user_id,
            who=operator.who,
            action="switch.stopped" if stopped else "switch.started",
            subject=name,
            reason=why,
            facts={"note": text},
            request_id=operator.request_id,
        )
        transaction.on_commit(switches.forget)
        for ring in hooks.on_started_again.get(name, []) if again else []:
            transaction.on_commit(ring)
    return row
