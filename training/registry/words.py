"""What people call the settings of a training: its recipe and its method."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

PRESETS: Mapping[str, Promise] = {
    "quick": _("Quick"),
    "balanced": _("Balanced"),
    "best": _("Best"),
}
METHODS: Mapping[str, Promise] = {"full": _("all weights"), "lora": _("LoRA adapters")}


def preset(name: str | None) -> str:
    """Return what people call a preset; settings of one's own are none."""
    return str(PRESETS.get(name or "", _("custom")))


def method(name: str | None) -> str:
    """Return what people call a method of training; nothing known is a dash."""
    return str(METHODS.get(name or "", name or "–"))
