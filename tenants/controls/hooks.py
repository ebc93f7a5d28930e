"""What the layers above register: what they drop or stop when operators act."""

from __future__ import annotations

import uuid
from collections.abc import Callable

on_tenant_closed: list[Callable[[uuid.UUID], object]] = []
"""Called after a tenant was suspended or resumed, and again soon after: drop copies that say
whether it may work, stop what works for it if it may not. Repeats are harmless."""

on_started_again: dict[str, list[Callable[[], object]]] = {}
"""Switch -> called after commit when what it had stopped runs again: ring for what waited."""
