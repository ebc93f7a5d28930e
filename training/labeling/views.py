"""What the pages of labelling show, put together from selectors; no request is known here."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from modelyard.core.http.pagination import keyset
from modelyard.core.parts import shortened
from training.labeling import selectors
from training.labeling.models import Project
from training.labeling.types import Counts


def list_context(cursor: str) -> dict[str, Any]:
    """Return the context of `labeling/list.html`."""
    page = keyset(selectors.project_list(), cursor)
    projects = [
        {
            "id": project.pk,
            "name": project.name,
            "dataset": project.dataset.name,
            "status": project.status,
            "done": project.done_count,
            "total": project.task_count,
            "labels": len(project.labels),
            "created_at": project.created_at,
        }
        for project in page.rows
    ]
    return {"projects": projects, "page": {"next": page.next}}


def detail_context(project: Project) -> dict[str, Any]:
    """Return the context of `labeling/detail.html`."""
    counts = selectors.project_counts(project.pk)
    return {
        "project": project,
        "counts": counts,
        "sentence": _sentence(counts),
        "unfrozen": selectors.unapplied(project.pk).count(),
        "by_label": shortened(list(selectors.label_counts(project.pk).items()), _("Others")),
        "by_person": selectors.author_counts(project.pk),
    }


def _sentence(counts: Counts) -> str:
    left = counts.waiting + counts.leased
    if not left:
        return _("All rows are done.")
    return ngettext("%(n)d row to go.", "%(n)d rows to go.", left) % {"n": left}


def freeze_sentence(number: int, counts: dict[str, int]) -> str:
    """Say what freezing did with the labels."""
    new = counts["labelled"] + counts["corrected"]
    said = ngettext(
        "Version %(v)d is being frozen with %(n)d new label.",
        "Version %(v)d is being frozen with %(n)d new labels.",
        new,
    ) % {"v": number, "n": new}
    if counts["repeats"]:
        repeated = ngettext(
            "%(n)d row repeats a text that has this label already, and stays as it was.",
            "%(n)d rows repeat a text that has this label already, and stay as they were.",
            counts["repeats"],
        ) % {"n": counts["repeats"]}
        said = f"{said} {repeated}"
    if counts["removed"]:
        removed = ngettext(
            "%(n)d labelled row was removed from the dataset, so its label is not in it.",
            "%(n)d labelled rows were removed from the dataset, so their labels are not in it.",
            counts["removed"],
        ) % {"n": counts["removed"]}
        said = f"{said} {removed}"
    return said
