"""The one door to the time, so that tests can move it."""

from __future__ import annotations

import datetime as dt


def now() -> dt.datetime:
    """Return the current time, aware, in UTC."""
    return dt.datetime.now(dt.UTC)
