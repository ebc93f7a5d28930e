"""The lives of an export and of a deletion."""

from __future__ import annotations

from modelyard.core.states import StateMachine

EXPORT = StateMachine(
    "export",
    {
        "queued": frozenset({"running", "failed", "cancelled"}),
        "running": frozenset({"queued", "ready", "failed", "cancelled"}),
        "ready": frozenset({"expired"}),
        "failed": frozenset(),
        "cancelled": frozenset(),
        "expired": frozenset(),
    },
)
OPEN_EXPORT = ("queued", "running")

DELETION = StateMachine(
    "deletion",
    {
        "scheduled": frozenset({"running", "cancelled"}),
        "running": frozenset({"done"}),
        "cancelled": frozenset(),
        "done": frozenset(),
    },
)
OPEN_DELETION = ("scheduled", "running")

PHASES = ("stop", "survey", "objects", "rows", "tenant", "caches", "certify")
"""What a deletion does, in this order; each phase may be begun again after a crash."""
