"""How long, in the two largest units that say something."""

from __future__ import annotations

import datetime as dt

from django.utils.translation import gettext as _

from modelyard.core import clock


def words(seconds: float) -> str:
    """Return e.g. `12 s`, `6 min 12 s`, `3 h 5 min`, `2 d 4 h`."""
    whole = max(0, round(seconds))
    minutes, left = divmod(whole, 60)
    hours, minutes_left = divmod(minutes, 60)
    days, hours_left = divmod(hours, 24)
    if days:
        return _("%(d)d d %(h)d h") % {"d": days, "h": hours_left}
    if hours:
        return _("%(h)d h %(m)d min") % {"h": hours, "m": minutes_left}
    if minutes:
        return _("%(m)d min %(s)d s") % {"m": minutes, "s": left}
    return _("%(s)d s") % {"s": left}


def since(at: dt.datetime | None) -> str:
    """Return how long ago `at` was; a dash for never."""
    return words((clock.now() - at).total_seconds()) if at else "–"
