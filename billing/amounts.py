"""Amounts of a meter or limit, as people read them."""

from __future__ import annotations

from django.template.defaultfilters import filesizeformat
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing import plans


def _duration(milliseconds: int) -> str:
    seconds = milliseconds // 1000
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    if hours and not minutes:
        return _("%(hours)d h") % {"hours": hours}
    if hours:
        return _("%(hours)d h %(minutes)02d min") % {"hours": hours, "minutes": minutes}
    if minutes >= 10 or seconds % 60 == 0:
        return _("%(minutes)d min") % {"minutes": minutes}
    return _("%(minutes)d min %(seconds)02d s") % {"minutes": minutes, "seconds": seconds % 60}


def short(limit: str, amount: int) -> str:
    """Write an amount without its noun: `1,284`, `41 h 08 min`, `38.4 GB`."""
    if limit == plans.TRAIN_MS:
        return _duration(amount)
    if limit == plans.STORAGE_BYTES:
        return str(filesizeformat(amount))
    return str(number_format(amount, use_l10n=True, force_grouping=True))


def write(limit: str, amount: int) -> str:
    """Write an amount with its noun, to stand in a sentence: `1,000 predictions`."""
    count = short(limit, amount)
    if limit == plans.PREDICTIONS:
        return ngettext("%(count)s prediction", "%(count)s predictions", amount) % {"count": count}
    if limit == plans.EXAMPLES:
        return ngettext("%(count)s example", "%(count)s examples", amount) % {"count": count}
    if limit == plans.DEPLOYMENTS:
        return ngettext("%(count)s deployment", "%(count)s deployments", amount) % {"count": count}
    if limit == plans.SEATS:
        return ngettext("%(count)s seat", "%(count)s seats", amount) % {"count": count}
    noun = {
        plans.TRAIN_MS: _("%(count)s of training"),
        plans.STORAGE_BYTES: _("%(count)s of storage"),
    }
    return noun[limit] % {"count": count}


def price(cents: int) -> str:
    """Write a price in euro: `€49`, `€0.50`."""
    if cents % 100:
        return f"€{number_format(cents / 100, decimal_pos=2, force_grouping=True)}"
    return f"€{number_format(cents // 100, force_grouping=True)}"
