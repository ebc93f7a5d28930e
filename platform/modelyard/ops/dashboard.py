"""The first page: how the site is, what is stuck, what waits, who works.

Every figure is read from where the work is; where there is nothing to read, a sentence says so.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import structlog
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from redis.exceptions import RedisError

from modelyard.core import clock
from modelyard.core.errors import Unavailable
from modelyard.core.http import traffic
from modelyard.ops import durations, fleet, letters, roles, selectors
from tenants.models import Tenant
from training.jobs.models import Run
from training.jobs.states import FINAL, RunStatus

MINUTES = 5
CAUSES_SHOWN = 6
logger = structlog.get_logger(__name__)


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Return the page's context; silent queues are a sentence on it, not an error page."""
    silent, depths, workers = "", [], []
    try:
        depths, workers = fleet.depths(), fleet.workers()
    except Unavailable as error:
        silent = error.message
    states = selectors.runs_by_state()
    groups = letters.groups(link=run_url)
    return {
        **context,
        "title": _("Overview"),
        "hide_head": True,
        "silent": silent,
        "quiet_workers": [
            {"name": worker.name, "age": durations.since(worker.seen_at)}
            for worker in workers
            if worker.silent
        ],
        "stats": [*_people(), *_work(states), *_traffic(), _webhooks()],
        "states": states,
        "stuck": [_stuck(run) for run in selectors.runs_stuck()],
        "depths": [_depth(depth) for depth in depths],
        "workers": [_worker(worker) for worker in workers],
        "groups": groups[:CAUSES_SHOWN],
        "letters": sum(group.count for group in groups),
        "may_act": roles.may(request.user, "runs.act"),
    }


def run_url(run: Run) -> str:
    """Return where the console shows a run."""
    return reverse("admin:jobs_run_change", args=[run.pk])


def _stat(label: str, value: str, context: str) -> dict[str, str]:
    return {"label": label, "value": value, "context": context}


def _people() -> list[dict[str, str]]:
    now = clock.now()
    day, week = now - selectors.DAY, now - 7 * selectors.DAY
    return [
        _stat(
            _("Sign-ups, 24 h"),
            _count(selectors.sign_ups(day)),
            _("%(n)s in 7 days") % {"n": _count(selectors.sign_ups(week))},
        ),
        _stat(
            _("Active workspaces, 24 h"),
            _count(selectors.tenants_active(day)),
            _("of %(n)s") % {"n": _count(Tenant.objects.count())},
        ),
    ]


def _work(states: list[tuple[str, int]]) -> list[dict[str, str]]:
    counts = dict(states)
    at_work = sum(n for state, n in states if state not in {*FINAL, RunStatus.QUEUED})
    waits = _("%(n)s queued") % {"n": _count(counts[RunStatus.QUEUED])}
    oldest = selectors.queue_oldest()
    if oldest is not None:
        waits = _("%(n)s queued, oldest %(age)s") % {
            "n": _count(counts[RunStatus.QUEUED]),
            "age": durations.since(oldest),
        }
    objects, database = selectors.stored()
    return [
        _stat(_("Runs at work"), _count(at_work), waits),
        _stat(
            _("Storage"),
            filesizeformat(objects),
            _("uploads and models; database %(size)s") % {"size": filesizeformat(database)},
        ),
    ]


def _traffic() -> list[dict[str, str]]:
    names = (_("Error rate, 5 min"), _("p95, predictions, 5 min"), _("p95, pages, 5 min"))
    none = _("no requests in the last 5 minutes")
    try:
        every = traffic.figures(minutes=MINUTES)
        predictions = traffic.figures(("predictions",), minutes=MINUTES)
        pages = traffic.figures(("pages",), minutes=MINUTES)
    except RedisError:
        logger.warning("ops_traffic_unread", exc_info=True)
        return [_stat(name, "", _("not known: Valkey does not answer")) for name in names]
    rate = every.error_rate
    return [
        _stat(names[0], "", none)
        if rate is None
        else _stat(
            names[0],
            f"{number_format(100 * rate, decimal_pos=2)}%",
            ngettext("%(errors)s of %(n)s request", "%(errors)s of %(n)s requests", every.requests)
            % {"errors": _count(every.errors), "n": _count(every.requests)},
        ),
        _latency(names[1], predictions, _("no predictions in the last 5 minutes")),
        _latency(names[2], pages, none),
    ]


def _latency(name: str, found: traffic.Figures, none: str) -> dict[str, str]:
    if found.p95 is None:
        return _stat(name, "", none)
    requests = ngettext("%(n)s request", "%(n)s requests", found.requests)
    return _stat(
        name,
        _("%(ms)s ms") % {"ms": _count(round(1000 * found.p95))},
        requests % {"n": _count(found.requests)},
    )


def _webhooks() -> dict[str, str]:
    rows = letters.webhooks_dead()
    oldest = rows.last()
    return _stat(
        _("Failed webhooks"),
        _count(rows.count()),
        _("oldest %(age)s") % {"age": durations.since(oldest.received_at)}
        if oldest
        else _("every event of Stripe is processed"),
    )


def _stuck(run: Any) -> dict[str, Any]:
    if run.status == RunStatus.QUEUED:
        why = _("Waits for a worker")
        since: dt.datetime | None = run.queued_at
    elif run.status == RunStatus.FAILED:
        why, since = run.error_message, run.finished_at
    else:
        why = _("Its worker %(name)s is silent") % {"name": run.lease_owner}
        since = run.heartbeat_at
    return {
        "url": run_url(run),
        "title": run.title,
        "workspace": run.tenant_slug,
        "state": run.status,
        "age": durations.since(since),
        "tries": run.attempt,
        "why": why,
    }


def _depth(depth: fleet.Depth) -> dict[str, Any]:
    known = depth.oldest_seconds is not None and depth.waiting
    return {
        "name": depth.name,
        "waiting": depth.waiting,
        "oldest": durations.words(depth.oldest_seconds or 0) if known else "–",
        "long": bool(known) and (depth.oldest_seconds or 0) > selectors.WAITS_LONG.total_seconds(),
    }


def _worker(worker: fleet.Worker) -> dict[str, Any]:
    runs = selectors.runs_named([task.run_id for task in worker.tasks if task.run_id])
    tasks = [
        {"text": task.name, "url": ""}
        if task.run_id not in runs
        else {"text": runs[task.run_id].title, "url": run_url(runs[task.run_id])}
        for task in worker.tasks
    ]
    state = ("run", _("At work")) if tasks else ("ok", _("Idle"))
    if not worker.answers:
        state = ("err", _("Silent")) if worker.silent else ("warn", _("Does not answer"))
    return {
        "name": worker.name,
        "tone": state[0],
        "word": state[1],
        "tasks": tasks,
        "beat": durations.since(worker.seen_at),
        "silent": worker.silent,
        "gpus": [
            {
                "name": gpu.name,
                "percent": gpu.percent,
                "memory": f"{gpu.used_mib / 1024:.1f} / {gpu.total_mib / 1024:.0f} GiB",
            }
            for gpu in worker.gpus
        ],
    }


def _count(value: int) -> str:
    return str(number_format(value, force_grouping=True))
