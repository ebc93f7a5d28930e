"""What a labelling project and a task may become."""

from __future__ import annotations

from modelyard.core.states import StateMachine

PROJECT = StateMachine("project", {"open": frozenset({"closed"}), "closed": frozenset({"open"})})
# One answer decides a task, so an answer is accepted at once. A lease that is over may go to
# somebody else (leased -> leased), and an undo gives the task back to whoever had answered it.
TASK = StateMachine(
    "task",
    {
        "open": frozenset({"leased", "accepted", "skipped"}),
        "leased": frozenset({"leased", "accepted", "skipped"}),
        "accepted": frozenset({"leased"}),
        "skipped": frozenset({"leased", "open"}),
    },
)
