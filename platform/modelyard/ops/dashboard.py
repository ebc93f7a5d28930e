"""The first page: runs by state, what waits, who works, what failed since yesterday."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from modelyard.core.errors import Unavailable
from modelyard.ops import fleet, selectors


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the page's context; silent queues are a sentence on it, not an error page."""
    del request
    silent, depths, workers = "", [], []
    try:
        depths, workers = fleet.depths(), fleet.workers()
    except Unavailable as error:
        silent = error.message
    return {
        **context,
        "silent": silent,
        "states": selectors.runs_by_state(),
        "failed": _table(
            (_("run"), _("workspace"), _("why"), _("sentence"), _("when")),
            (_failed(run) for run in selectors.runs_failed_lately()),
        ),
        "depths": _table(
            (_("queue"), _("kind"), _("waiting")),
            ((depth.name, depth.kind, depth.waiting) for depth in depths),
        ),
        "workers": _table(
            (_("worker"), _("answers"), _("last heard"), _("at work on")), map(_worker, workers)
        ),
    }


def _table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> dict[str, object]:
    """Return what unfold's table component draws."""
    return {"headers": list(headers), "rows": [list(row) for row in rows]}


def _failed(run: Any) -> tuple[object, ...]:
    link = reverse("admin:jobs_run_change", args=[run.pk])
    title = format_html(
        '<a class="text-primary-600 dark:text-primary-500" href="{}">{}</a>', link, run.title
    )
    return title, run.tenant_slug, run.error_code, run.error_message, _moment(run.finished_at)


def _worker(worker: fleet.Worker) -> tuple[object, ...]:
    answers = _("yes") if worker.answers else _("no")
    return worker.name, answers, _moment(worker.seen_at), ", ".join(worker.tasks) or "–"


def _moment(at: Any) -> str:
    return date_format(localtime(at), "Y-m-d H:i:s")
