"""Which parts of the site are stopped: asked often, so kept for at most two seconds a process."""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import MappingProxyType

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as later

from modelyard.core.errors import Unavailable
from tenants.controls.models import Switch

SIGN_UP, TRAINING, WEBHOOKS, MAINTENANCE = "signup", "training", "webhooks", "maintenance"
TITLES = {
    SIGN_UP: later("Sign-up"),
    TRAINING: later("Training"),
    WEBHOOKS: later("Webhooks"),
    MAINTENANCE: later("Maintenance banner"),
}
NAMES = tuple(TITLES)
KEPT_SECONDS = 2.0
RETRY_SECONDS = 60


class _Known:
    """What was read last."""

    until = 0.0
    stopped: Mapping[str, str] = MappingProxyType({})


def forget() -> None:
    """Read anew at the next question: this process has changed a switch."""
    _Known.until = 0.0


def stopped() -> Mapping[str, str]:
    """Return name -> note of what is stopped now (at most 2 s old)."""
    now = time.monotonic()
    if _Known.until < now:
        rows = Switch.objects.filter(stopped=True)
        _Known.stopped = MappingProxyType({row.name: row.note for row in rows})
        _Known.until = now + KEPT_SECONDS
    return _Known.stopped


def is_stopped(name: str) -> bool:
    """Tell whether a part is stopped.

    Raises:
        ValueError: There is no such part.
    """
    if name not in TITLES:
        raise ValueError(f"no such switch: {name}")
    return name in stopped()


def require_training() -> None:
    """Pass while training runs.

    Raises:
        Unavailable: `training_paused`, with what operators say about it.
    """
    note = stopped().get(TRAINING)
    if note is None:
        return
    sentence = _("Training is paused for the moment, so nothing was started. Try again later.")
    raise Unavailable(
        f"{sentence} {note}".rstrip(), code="training_paused", retry_after=RETRY_SECONDS
    )
