"""What an upload and a dataset version may become."""

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
        "freezing": frozenset({"frozen", "failed"}),
        "frozen": frozenset(),
        "failed": frozenset(),
    },
)
SPLITS = ("train", "validation", "test")
