"""What the account pages show."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """A browser in which the person is signed in."""

    id: int
    browser: str
    system: str
    ip: str
    since: dt.datetime
    seen: dt.datetime
    current: bool
