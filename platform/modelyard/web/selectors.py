"""Reads for the shell: counts beside the navigation, the checklist, what happened last."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing import plans, usage
from billing import selectors as billing
from modelyard.core import clock
from modelyard.web import svg
from tenants.models import AuditEvent, Tenant
from tenants.scoping.context import tenant_scope
from tenants.selectors import audit_list, people_named
from tenants.trail.words import ACTORS, act
from training.datasets import selectors as datasets
from training.jobs import progress
from training.jobs import selectors as jobs
from training.jobs.models import Run
from training.registry import selectors as registry
from training.serving import selectors as serving

RECENT = 8
HOURS = 24


@dataclass(frozen=True)
class Step:
    """One line of the checklist."""

    label: str
    url: str
    done: bool


def nav_counts(tenant_id: uuid.UUID) -> dict[str, int]:
    """Return how many datasets, runs at work, models and live deployments there are."""
    with tenant_scope(tenant_id):
        return {
            "datasets": datasets.dataset_count(),
            "runs": jobs.run_active().count(),
            "models": registry.model_count(),
            "deployments": serving.live_count(),
        }


def _run_line(run: Run, slug: str) -> dict[str, object]:
    return {
        "title": _("%(model)s, run %(n)d") % {"model": run.model_name, "n": run.number},
        "url": reverse("runs:detail", args=[slug, run.pk]),
        "percent": progress.percent_of(run),
        "eta": run.eta_seconds,
        "left": run.get_status_display(),
        "right": f"{run.step} / {run.steps}" if run.steps else "",
    }


def jobs_at_work(tenant: Tenant) -> list[dict[str, object]]:
    """Return the runs and imports at work, for the tray."""
    found = [_run_line(run, tenant.slug) for run in jobs.run_active()[:5]]
    imports = [
        {
            "title": _("Import %(file)s") % {"file": upload.filename},
            "url": reverse("datasets:map", args=[tenant.slug, upload.dataset_id, upload.pk]),
            "percent": datasets.upload_progress(upload).percent,
        }
        for upload in datasets.upload_active()[:5]
    ]
    return [*found, *imports]


def _deployments(tenant: Tenant) -> list[dict[str, object]]:
    since = clock.now() - dt.timedelta(hours=HOURS - 1)
    first = since.replace(minute=0, second=0, microsecond=0)
    hours = usage.by_hour(tenant.pk, plans.PREDICTIONS, "deployment", since=first)
    found = []
    for row in serving.deployment_list()[:8]:
        mine = {hour.start: hour.requests for hour in hours.get(str(row.pk), [])}
        found.append(
            {
                "name": row.name,
                "status": row.status,
                "version": row.version.number,
                "calls": sum(mine.values()),
                "series": [mine.get(first + dt.timedelta(hours=n), 0) for n in range(HOURS)],
            }
        )
    return found


def _checklist(tenant: Tenant, counts: dict[str, int], predicted: bool) -> list[Step]:
    frozen = datasets.version_frozen_list().exists()
    slug = tenant.slug
    return [
        Step(_("Import data"), reverse("datasets:new", args=[slug]), counts["datasets"] > 0),
        Step(_("Freeze a version"), reverse("datasets:list", args=[slug]), frozen),
        Step(_("Train a model"), reverse("runs:new", args=[slug]), counts["models"] > 0),
        Step(
            _("Deploy it"),
            reverse("deployments:new", args=[slug]),
            serving.deployment_list().exists(),
        ),
        Step(_("Get a prediction"), reverse("deployments:list", args=[slug]), predicted),
    ]


def _recent(tenant: Tenant) -> list[dict[str, object]]:
    rows: list[AuditEvent] = list(audit_list()[:RECENT])
    people = people_named([row.actor_id for row in rows if row.actor_kind == "user"])
    found = []
    for row in rows:
        icon, words = act(row.action)
        name = row.facts.get("name", "")
        who = people.get(row.actor_id) or str(ACTORS.get(row.actor_kind, ""))
        found.append(
            {
                "icon": icon,
                "text": _("%(act)s: %(name)s") % {"act": words, "name": name} if name else words,
                "who": who,
                "at": row.created_at,
            }
        )
    return found


def _sentence(counts: dict[str, int]) -> str:
    live = ngettext("%(n)d deployment answers", "%(n)d deployments answer", counts["deployments"])
    runs = ngettext("%(n)d run is at work", "%(n)d runs are at work", counts["runs"])
    return _("%(live)s, %(runs)s.") % {
        "live": live % {"n": counts["deployments"]},
        "runs": runs % {"n": counts["runs"]},
    }


def _stats(tenant: Tenant, counts: dict[str, int]) -> list[dict[str, object]]:
    summary = billing.summary(tenant.pk)
    predictions = next(one for one in summary.gauges if one.name == plans.PREDICTIONS)
    return [
        {"label": _("Datasets"), "value": svg.number(counts["datasets"])},
        {"label": _("Models"), "value": svg.number(counts["models"])},
        {"label": _("Live deployments"), "value": svg.number(counts["deployments"])},
        {"label": _("Predictions this month"), "value": svg.number(predictions.used)},
    ]


def home(tenant: Tenant) -> dict[str, object]:
    """Return what the home page shows."""
    counts = nav_counts(tenant.pk)
    stats = _stats(tenant, counts)
    checklist = _checklist(tenant, counts, predicted=stats[-1]["value"] != "0")
    return {
        "is_empty": counts["datasets"] == 0,
        "sentence": _sentence(counts),
        "stats": stats,
        "waiting": [],
        "running": [_run_line(run, tenant.slug) for run in jobs.run_active()[:4]],
        "deployments": _deployments(tenant),
        "checklist": checklist,
        "checklist_done": sum(step.done for step in checklist),
        "recent": _recent(tenant),
    }
