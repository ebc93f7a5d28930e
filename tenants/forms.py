"""Forms of the key pages."""

from __future__ import annotations

import datetime as dt
import re

from django import forms
from django.utils.translation import gettext_lazy as _

from modelyard.core import clock
from modelyard.core.errors import Invalid
from tenants import addresses
from tenants.access import SCOPE_PERMISSIONS

SCOPE_WORDS = {
    "read": _("read: see data, runs, models, usage"),
    "write": _("write: import, train, deploy"),
    "predict": _("predict: ask deployments"),
    "audit": _("audit: read the audit log"),
}
LIFETIMES = [
    ("90", _("90 days")),
    ("30", _("30 days")),
    ("365", _("one year")),
    ("never", _("no expiry")),
]
OVERLAPS = [
    ("86400", _("in one day")),
    ("3600", _("in one hour")),
    ("604800", _("in 7 days")),
    ("0", _("now")),
]


class AddressesField(forms.CharField):
    """Networks, one a line or by commas."""

    widget = forms.Textarea(attrs={"rows": 2, "spellcheck": "false", "autocomplete": "off"})

    def clean(self, value: str | None) -> list[str]:
        """Return the networks as they are stored."""
        words = [word for word in re.split(r"[\s,;]+", super().clean(value) or "") if word]
        try:
            return addresses.clean(words)
        except Invalid as refusal:
            raise forms.ValidationError(refusal.message, code=refusal.code) from refusal


def _addresses_field() -> AddressesField:
    return AddressesField(
        label=_("Allowed addresses"),
        required=False,
        max_length=2000,
        help_text=_("One network a line, such as 192.0.2.0/24. Empty: from everywhere."),
    )


class KeyForm(forms.Form):
    """Name, scopes, addresses and lifetime of a new key."""

    name = forms.CharField(label=_("Name"), max_length=80, help_text=_("What will use it."))
    scopes = forms.MultipleChoiceField(
        label=_("Scopes"),
        choices=[(scope, SCOPE_WORDS[scope]) for scope in SCOPE_PERMISSIONS],
        widget=forms.CheckboxSelectMultiple,
        initial=["read", "write", "predict"],
    )
    days = forms.ChoiceField(label=_("Expires after"), choices=LIFETIMES, required=False)
    addresses = _addresses_field()

    def expires_at(self) -> dt.datetime | None:
        """Return when the key shall end, or None."""
        days = self.cleaned_data["days"] or LIFETIMES[0][0]
        return None if days == "never" else clock.now() + dt.timedelta(days=int(days))


class KeyChangeForm(forms.Form):
    """Name and addresses of a key."""

    name = forms.CharField(label=_("Name"), max_length=80)
    addresses = _addresses_field()


class KeyRotateForm(forms.Form):
    """When the old key ends."""

    overlap = forms.ChoiceField(label=_("The old key ends"), choices=OVERLAPS)

    def overlap_of(self) -> dt.timedelta:
        """Return how long the old key works beside the new one."""
        return dt.timedelta(seconds=int(self.cleaned_data["overlap"]))
