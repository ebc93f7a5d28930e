"""The console's pages of runs: search, timeline, log, requeue and cancel with a reason."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import structlog
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST
from unfold.contrib.filters.admin import FieldTextFilter
from unfold.decorators import display

from modelyard.core import clock
from modelyard.core.errors import DomainError
from modelyard.ops import durations, roles, selectors, services, timeline
from modelyard.ops.admin_site import TenantFilter, TenantRows, actor_of, column, site, status_mark
from training.jobs import views
from training.jobs.models import Run

logger = structlog.get_logger(__name__)
Act = Callable[..., Run]
ACTS: tuple[tuple[str, Act], ...] = (
    ("requeue", services.run_requeue),
    ("cancel", services.run_cancel),
)


_ATTEMPT = column("attempt", _("attempt"))
_WORKER = column("lease_owner", _("worker"))
_ERROR = column("error_code", _("error"))
_QUEUED = column("queued_at", _("queued at"))
_FACTS = (
    column("starts", _("starts since the order")),
    column("lease_until", _("lease until")),
    column("phase", _("phase")),
    column("step", _("step")),
    column("steps", _("steps")),
    _QUEUED,
    column("started_at", _("started at")),
    column("finished_at", _("finished at")),
    column("train_ms", _("training, ms")),
    _ERROR,
    column("spec", _("settings")),
)


class RunAdmin(TenantRows):
    """Runs of all tenants: who holds them, what they said, what may be done."""

    heading = _("Runs")
    list_display = ("title", "workspace", "state", _ATTEMPT, _WORKER, "heartbeat", _ERROR, _QUEUED)
    fields = ("workspace", column("id", _("id")), _ATTEMPT, _WORKER, "heartbeat", *_FACTS)
    readonly_fields = fields
    list_filter = (TenantFilter, "status", ("error_code", FieldTextFilter))
    search_fields = ("id", "model_name", "tenant_slug", "tenant_id", "status", "lease_owner")
    search_help_text = _("Run id, workspace, state, model or worker")
    change_form_template = "run.html"

    @display(description=_("run"), ordering="model_name")  # type: ignore[untyped-decorator]
    def title(self, row: Run) -> str:
        """Show the name that people know."""
        return row.title

    @display(description=_("status"), ordering="status")  # type: ignore[untyped-decorator]
    def state(self, row: Run) -> str:
        """Show the status as a shape and a word."""
        return status_mark(row.status)

    @display(description=_("last heartbeat"), ordering="heartbeat_at")  # type: ignore[untyped-decorator]
    def heartbeat(self, row: Run) -> str:
        """Show how long ago its worker was heard; a dash where nobody holds it."""
        if row.lease_until is None or row.heartbeat_at is None:
            return "–"
        return gettext("%(age)s ago") % {"age": durations.since(row.heartbeat_at)}

    def get_urls(self) -> list[URLPattern]:
        """Add the acts; both take only a POST with the form's token."""
        acts = [
            path(
                f"<uuid:run_id>/{name}/",
                self.admin_site.admin_view(_act_view(act)),
                name=f"jobs_run_{name}",
            )
            for name, act in ACTS
        ]
        return [*acts, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a run with its timeline, its log and what may be done to it."""
        run = self.get_object(request, object_id)
        more: dict[str, Any] = {"title": gettext("Run"), "log": []}
        if run is not None:
            log = selectors.run_log(run.pk)
            may_act = roles.may(request.user, "runs.act")
            more |= {
                "run": run,
                "log": log,
                "phases": views.phases_of(run, log, now=clock.now()),
                "timeline": timeline.of(log),
                "may_act": may_act,
                "may_requeue": may_act and selectors.is_stuck(run),
                "may_cancel": may_act and selectors.is_open(run),
                "refusal": "" if may_act else roles.refusal("runs.act"),
            }
        response: HttpResponse = super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **more}
        )
        return response


def _act_view(act: Act) -> Callable[..., HttpResponse]:
    @require_POST
    def view(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
        roles.require(request.user, "runs.act")
        tenant_id = selectors.run_tenant(run_id)
        if tenant_id is None:
            raise Http404
        _perform(request, act, tenant_id, run_id)
        return redirect("admin:jobs_run_change", run_id)

    return view


def _perform(request: HttpRequest, act: Act, tenant_id: uuid.UUID, run_id: uuid.UUID) -> None:
    """Do one act and say what came of it; a refusal changes nothing."""
    actor = actor_of(request, tenant_id)
    try:
        run = act(
            actor=actor,
            who=str(request.user),
            run_id=run_id,
            reason=request.POST.get("reason", ""),
        )
    except DomainError as refusal:
        messages.error(request, refusal.message)
        return
    logger.info("ops_act", act=act.__name__, run=str(run_id), staff=actor.id)
    messages.success(
        request,
        gettext("%(run)s is %(state)s now.")
        % {"run": run.title, "state": run.get_status_display()},
    )


site.register(Run, RunAdmin)
