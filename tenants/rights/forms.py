"""Forms of the settings page: how long what is kept."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from tenants.rights.hooks import Rule
from tenants.rights.services.retention import MOST

UNITS = {"days": _("days"), "months": _("months")}


class RetentionForm(forms.Form):
    """One number a rule; empty keeps for ever."""

    def __init__(self, *args: Any, rules: list[tuple[Rule, int | None]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for rule, amount in rules:
            self.fields[rule.name] = forms.IntegerField(
                label=str(rule.title),
                help_text=str(rule.sentence),
                required=False,
                initial=amount,
                min_value=rule.least,
                max_value=MOST[rule.unit],
            )
        self.units = {rule.name: UNITS[rule.unit] for rule, _amount in rules}

    def rows(self) -> list[tuple[Any, object]]:
        """Return (bound field, unit) for the page."""
        return [(self[name], unit) for name, unit in self.units.items()]
