"""What uploads, versions, changes and other work on a dataset may become."""

from __future__ import annotations

from modelyard.core.states import StateMachine

UPLOAD = StateMachine(
    "upload",
    {
        "receiving": frozenset({"verifying", "rejected", "abandoned"}),
        "verifying": frozenset({"mapping", "rejected", "abandoned"}),
        "mapping": frozenset({"verifying", "importing", "abandoned"}),
        "importing": frozenset({"done", "rejected", "abandoned"}),
        "done": frozenset(),
        "rejected": frozenset({"abandoned"}),
        "abandoned": frozenset(),
    },
)
VERSION = StateMachine(
    "version",
    {
        "freezing": frozenset({"frozen", "failed", "cancelled"}),
        "frozen": frozenset({"deleting"}),
        "failed": frozenset({"deleting"}),
        "cancelled": frozenset({"deleting"}),
        "deleting": frozenset({"deleted"}),
        "deleted": frozenset(),
    },
)
WORK = StateMachine(
    "work",
    {
        "waiting": frozenset({"running", "failed", "cancelled"}),
        "running": frozenset({"done", "failed", "cancelled"}),
        "done": frozenset({"waiting"}),
        "failed": frozenset({"waiting"}),
        "cancelled": frozenset({"waiting"}),
    },
)
"""Of checks, pulls, exports and maps; from its end each may be started again."""
CHANGE = StateMachine(
    "change",
    {
        "waiting": frozenset({"running", "failed", "cancelled"}),
        "running": frozenset({"done", "failed", "undoing"}),
        "done": frozenset({"undoing"}),
        "undoing": frozenset({"undone"}),
        "undone": frozenset(),
        "failed": frozenset({"undoing"}),
        "cancelled": frozenset(),
    },
)
"""A change that is stopped while it runs, or fails, is undone: nothing half-done stays."""
SPLITS = ("train", "validation", "test")
CHECKS = (
    "labels",
    "lengths",
    "language",
    "repeats",
    "near",
    "conflicts",
    "noise",
    "personal",
    "leakage",
)
"""The questions about a dataset's health, in the order of the page."""
POINTING = tuple(kind for kind in CHECKS if kind != "labels")
"""Those that point at rows; the balance of labels is no row's fault."""
