"""What the layers above register: how they stop for a tenant that goes, what they let expire.

Registered when their services are imported, like the stock counters of billing.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass

Stop = Callable[[uuid.UUID], int]
on_tenant_stopping: list[Stop] = []
"""Called, each outside any transaction and again after a crash, before a tenant's data goes.

Each stops what it owns and returns how much of it is still at work (0 lets the deletion go on).
"""


@dataclass(frozen=True)
class Rule:
    """One thing that a tenant may let expire.

    Attributes:
        name: Stable name, key of `Retention.keep`.
        title: What it is, for people (may be lazy).
        sentence: What goes after that time and what stays, one sentence.
        unit: `days` or `months`.
        usual: Amount where the tenant has chosen nothing; None keeps for ever.
        least: Smallest amount that may be chosen.
        apply: `apply(tenant_id, before)` removes what is older and returns how many; it is called
            outside any transaction, with the login of the workers.
        by_ops: It needs the scheduler's login, since no worker may remove such rows.
    """

    name: str
    title: object
    sentence: object
    unit: str
    usual: int | None
    least: int
    apply: Callable[[uuid.UUID, dt.datetime], int]
    by_ops: bool = False


rules: dict[str, Rule] = {}


def rule_add(rule: Rule) -> None:
    """Register a rule; repeating it is harmless."""
    if rule.unit not in {"days", "months"}:
        raise ValueError(f"no such unit: {rule.unit}")
    rules[rule.name] = rule
