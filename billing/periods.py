"""The billing period: a calendar month in UTC."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from modelyard.core import clock


@dataclass(frozen=True)
class Period:
    """From `start` to before `end`, both aware."""

    start: dt.datetime
    end: dt.datetime

    @property
    def name(self) -> str:
        """Return its name, such as `2026-11`."""
        return f"{self.start:%Y-%m}"

    @property
    def last_day(self) -> dt.date:
        """Return its last day."""
        return self.end.date() - dt.timedelta(days=1)


def month_of(moment: dt.datetime) -> Period:
    """Return the calendar month (UTC) that holds `moment`."""
    first = moment.astimezone(dt.UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return Period(start=first, end=(first + dt.timedelta(days=32)).replace(day=1))


def current() -> Period:
    """Return the period that runs now."""
    return month_of(clock.now())
