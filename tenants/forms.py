"""Forms of the key page."""

from __future__ import annotations

import datetime as dt

from django import forms
from django.utils.translation import gettext_lazy as _

from modelyard.core import clock
from tenants.access import SCOPE_PERMISSIONS

SCOPE_WORDS = {
    "read": _("read: see data, runs, models, usage"),
    "write": _("write: import, train, deploy"),
    "predict": _("predict: ask deployments"),
}
LIFETIMES = [("90", _("90 days")), ("365", _("one year")), ("", _("no expiry"))]


class KeyForm(forms.Form):
    """Name, scopes and lifetime of a new key."""

    name = forms.CharField(label=_("Name"), max_length=80, help_text=_("What will use it."))
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        choices=[(scope, SCOPE_WORDS[scope]) for scope in SCOPE_PERMISSIONS],
        widget=forms.CheckboxSelectMultiple,
        initial=list(SCOPE_PERMISSIONS),
    )
    days = forms.ChoiceField(label=_("Expires after"), choices=LIFETIMES, required=False)

    def expires_at(self) -> dt.datetime | None:
        """Return when the key shall end, or None."""
        days = self.cleaned_data["days"]
        return clock.now() + dt.timedelta(days=int(days)) if days else None
