"""Writes of the loops: suggestions of labels, and what augmented rows are worth.

The job that measures (`measuring`) is not here: it needs what only workers have.
"""

from __future__ import annotations

from training.loops.services.gains import gain_cancel, gain_start
from training.loops.services.suggestions import suggest_run, suggestions_choose

__all__ = [
    "gain_cancel",
    "gain_start",
    "suggest_run",
    "suggestions_choose",
]
