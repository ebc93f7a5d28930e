"""What pages say of changes."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as later

from tenants.selectors import people_named
from training.datasets import selectors
from training.datasets.models import Change, Example
from training.datasets.services.changes import KINDS
from training.datasets.views.frame import cursor_of, frame_context

PAGE_ROWS = 50
SHOWN_TEXT = 200
STATUS_WORDS = {
    "waiting": later("Waiting"),
    "running": later("Running"),
    "done": later("Done"),
    "undoing": later("Undoing"),
    "undone": later("Undone"),
    "failed": later("Failed"),
    "cancelled": later("Cancelled"),
}


def change_facts(change: Change, people: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what pages say of a change; `people` are names by the ids of users."""
    moving = change.status in {"waiting", "running", "undoing"}
    return {
        "id": change.pk,
        "title": KINDS[change.kind].title if change.kind in KINDS else change.kind,
        "value": change.params.get("label") or change.params.get("tag") or "",
        "status": change.status,
        "status_word": STATUS_WORDS[change.status],
        "actor": (people or {}).get(change.actor.partition(":")[2], ""),
        "at": change.created_at,
        "rows": change.rows,
        "kept": change.kept,
        "done": change.done,
        "total": change.total,
        "percent": min(100, change.done * 100 // change.total) if change.total else None,
        "moving": moving,
        "can_undo": change.status in {"done", "failed", "running", "waiting"},
    }


def changes_context(dataset_id: uuid.UUID, cursor: str) -> dict[str, Any]:
    """Return the context of `datasets/changes.html`: a page of changes, newest first."""
    rows = selectors.change_list(dataset_id)
    after = cursor_of(cursor)
    if after is not None:
        rows = rows.filter(pk__lt=after)
    page = list(rows[: PAGE_ROWS + 1])
    following = str(page[PAGE_ROWS - 1].pk) if len(page) > PAGE_ROWS else ""
    ids = [change.actor.partition(":")[2] for change in page]
    people = people_named([one for one in ids if cursor_of(one)])
    return {
        **frame_context(dataset_id, "changes"),
        "changes": [change_facts(change, people) for change in page[:PAGE_ROWS]],
        "page": {"next": following},
    }


def preview_rows(found: Iterable[tuple[Example, Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Return rows as they are and as a change would leave them."""
    return [
        {
            "seq": row.line,
            "text": row.text[:SHOWN_TEXT],
            "before": state_words(
                {name: {"label": row.label, "tags": row.tags}.get(name) for name in edit}
            ),
            "after": state_words(edit),
        }
        for row, edit in found
    ]


def state_words(state: Mapping[str, Any]) -> str:
    """Say in a few words what a row was or became."""
    words = []
    if "removed" in state:
        words.append(_("removed") if state["removed"] else _("in the dataset"))
    if "label" in state:
        words.append(state["label"] or _("unlabelled"))
    if "tags" in state:
        words.append(", ".join(state["tags"]) or _("no tag"))
    if state.get("data"):
        words.append(str(state["data"].get("text", ""))[:SHOWN_TEXT])
    return " · ".join(words)
