"""State machines: a table of allowed moves, and a move as one conditional UPDATE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Model, QuerySet
from django.utils.translation import gettext_lazy as _

from modelyard.core.errors import Conflict


class StateMachine:
    """The allowed moves of one kind of thing.

    Args:
        noun: What it is, for the error's code (`run` gives `run_state`).
        moves: From each state, the states it may move to.
    """

    def __init__(self, noun: str, moves: Mapping[str, frozenset[str]]) -> None:
        """Keep the table."""
        self.noun = noun
        self.moves = dict(moves)

    def sources(self, to: str) -> list[str]:
        """Return the states from which `to` may be reached."""
        return sorted(state for state, targets in self.moves.items() if to in targets)

    def advance(self, rows: QuerySet[Any], to: str, /, **fields: object) -> int:
        """Move the selected rows that may move; return how many did (0 = somebody was faster)."""
        return rows.filter(status__in=self.sources(to)).update(status=to, **fields)

    def require(self, row: Model, to: str, /, **fields: object) -> None:
        """Move one row or raise `Conflict` with its present state; the instance is refreshed."""
        rows = type(row)._default_manager.filter(pk=row.pk)  # noqa: SLF001 - Django's public spelling
        moved = self.advance(rows, to, **fields)
        row.refresh_from_db()
        if not moved:
            raise Conflict(
                _("This is %(state)s now, so it can't become %(to)s.")
                % {"state": getattr(row, "status", ""), "to": to},
                code=f"{self.noun}_state",
                state=getattr(row, "status", ""),
            )
