"""What the pages and the API show of exports and deletions."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from tenants.rights import selectors, states
from tenants.rights.models import Export

SHOWN = 20


def phase_title(export: Export) -> str:
    """Return what an export does now, for people."""
    if export.status == Export.Status.QUEUED:
        return _("Waiting for a worker")
    return {
        "tables": pgettext("export", "Writing tables"),
        "objects": pgettext("export", "Writing files"),
        "finishing": pgettext("export", "Finishing"),
    }.get(export.phase, pgettext("export", "Starting"))


def export_shown(export: Export) -> dict[str, Any]:
    """Return an export as the page and the API show it."""
    progress = selectors.export_progress(export)
    at_work = export.status in states.OPEN_EXPORT
    return {
        "id": export.pk,
        "status": export.status,
        "created_at": export.created_at,
        "finished_at": export.finished_at,
        "expires_at": export.expires_at,
        "bytes": export.bytes,
        "rows": sum(export.rows.values()),
        "tables": export.rows,
        "files": export.files,
        "at_work": at_work,
        "phase": export.phase if at_work else "",
        "phase_title": phase_title(export) if at_work else "",
        "item": export.item if at_work else "",
        "step": export.step,
        "steps": export.steps,
        "percent": progress.percent if at_work else 100 * (export.status == "ready"),
        "eta_seconds": progress.eta if at_work else None,
        "error_code": export.error_code,
        "error": export.error_message,
    }


def exports_shown() -> list[dict[str, Any]]:
    """Return the latest exports of the tenant in scope."""
    return [export_shown(row) for row in selectors.export_list()[:SHOWN]]
