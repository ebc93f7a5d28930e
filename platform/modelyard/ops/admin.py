"""The console's pages. Only here does anything know which admin package draws them."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import FieldTextFilter, TextFilter
from unfold.decorators import action, display
from unfold.sites import UnfoldAdminSite

from billing import amounts, plans
from billing.models import Entry
from modelyard.core.errors import DomainError
from modelyard.core.http import request_id
from modelyard.ops import selectors, services
from tenants.access import Actor
from tenants.models import AuditEvent, Tenant, User
from training.jobs.models import Run
from training.jobs.states import FINAL, RunStatus
from training.serving.models import Deployment

logger = structlog.get_logger(__name__)
Act = Callable[..., Run]

RUN_COLOURS = {
    RunStatus.SUCCEEDED: "success",
    RunStatus.FAILED: "danger",
    RunStatus.CANCELLED: "warning",
    RunStatus.CANCELLING: "warning",
    RunStatus.RUNNING: "info",
    RunStatus.STARTING: "info",
    RunStatus.SAVING: "info",
}


class OpsSite(UnfoldAdminSite):  # type: ignore[misc]
    """The console; unfold's templates name their addresses `admin:`."""

    index_template = "dashboard.html"

    def app_index(self, request: HttpRequest, app_label: str, **_extra: object) -> HttpResponse:
        """Lead to the dashboard, which has every app."""
        del request, app_label
        return redirect("admin:index")


site = OpsSite(name="admin")


class TenantFilter(TextFilter):  # type: ignore[misc]
    """Rows of the workspaces whose address starts with what was typed."""

    title = _("workspace")
    parameter_name = "tenant"

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Filter."""
        del request
        typed = (self.value() or "").strip().lower()
        return queryset.filter(tenant_slug__startswith=typed) if typed else queryset


class ReadOnly(ModelAdmin):  # type: ignore[misc]
    """A page to look at: staff see it, nobody changes a row through it."""

    ordering = ("-id",)
    list_per_page = 50
    show_full_result_count = False
    list_filter_submit = True

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Let every operator look."""
        del obj
        return bool(request.user.is_active and request.user.is_staff)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Show it to every operator."""
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Rows are made by the services."""
        del request
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Rows are changed by the services."""
        del request, obj
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Rows are deleted by the services."""
        del request, obj
        return False

    def history_view(self, request: HttpRequest, object_id: str, **_extra: object) -> HttpResponse:
        """Say that there is none: what happened stands in the audit trail.

        Raises:
            Http404: Always.
        """
        del request, object_id
        raise Http404


class TenantRows(ReadOnly):
    """Rows of all tenants, each with its workspace."""

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return all tenants' rows."""
        return selectors.with_tenant(super().get_queryset(request))

    @display(description=_("workspace"), ordering="tenant_slug")  # type: ignore[untyped-decorator]
    def workspace(self, row: Any) -> str:
        """Show whose row it is."""
        return str(row.tenant_slug)


class TenantAdmin(ReadOnly):
    """Tenants with plan, members and this month's use."""

    list_display = ("slug", "name", "state", "plan", "members", *plans.METERS, "created_at")
    fields = ("slug", "name", "status", "plan", "members", *plans.METERS, "created_at", "id")
    readonly_fields = ("created_at", "id", "plan", "members", *plans.METERS)
    list_filter = ("status",)
    search_fields = ("slug", "name")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return tenants with what the columns show."""
        return selectors.with_usage(super().get_queryset(request))

    @display(  # type: ignore[untyped-decorator]
        description=_("status"),
        ordering="status",
        label={Tenant.Status.ACTIVE: "success", Tenant.Status.SUSPENDED: "danger"},
    )
    def state(self, row: Any) -> tuple[str, str]:
        """Show the status, coloured."""
        return row.status, row.get_status_display()

    @display(description=_("plan"))  # type: ignore[untyped-decorator]
    def plan(self, row: Any) -> str:
        """Show what the tenant may use."""
        return selectors.plan_title(
            plan=row.account_plan, status=row.account_status, grace_until=row.account_grace
        )

    @display(description=_("members"), ordering="members")  # type: ignore[untyped-decorator]
    def members(self, row: Any) -> int:
        """Show how many people work there."""
        return int(row.members)

    @display(  # type: ignore[untyped-decorator]
        description=_("predictions this month"), ordering="used_predictions"
    )
    def predictions(self, row: Any) -> str:
        """Show the month's predictions."""
        return amounts.short(plans.PREDICTIONS, row.used_predictions)

    @display(  # type: ignore[untyped-decorator]
        description=_("training this month"), ordering="used_train_ms"
    )
    def train_ms(self, row: Any) -> str:
        """Show the month's training time."""
        return amounts.short(plans.TRAIN_MS, row.used_train_ms)


class RunAdmin(TenantRows):
    """Runs of all tenants: who holds them, what they said; requeue and cancel."""

    list_display = (
        "title", "workspace", "state", "attempt", "lease_owner", "heartbeat", "error_code",
        "queued_at",
    )  # fmt: skip
    fields = (
        "title", "workspace", "status", "attempt", "starts", "lease_owner", "heartbeat",
        "lease_until", "phase", "step", "steps", "queued_at", "started_at", "finished_at",
        "train_ms", "error_code", "error_message", "spec", "id",
    )  # fmt: skip
    readonly_fields = ("title", "workspace", "heartbeat", "id")
    list_filter = (TenantFilter, "status", ("error_code", FieldTextFilter))
    search_fields = ("id", "model_name", "tenant_slug", "lease_owner")
    actions = ("requeue_selected", "cancel_selected")
    change_form_outer_before_template = "run_acts.html"
    change_form_outer_after_template = "run_log.html"

    @display(  # type: ignore[untyped-decorator]
        description=_("status"), ordering="status", label=RUN_COLOURS
    )
    def state(self, row: Run) -> tuple[str, str]:
        """Show the status, coloured."""
        return row.status, row.get_status_display()

    @display(description=_("last heartbeat"), ordering="heartbeat_at")  # type: ignore[untyped-decorator]
    def heartbeat(self, row: Run) -> str:
        """Show how long ago its worker was heard."""
        silent = selectors.silence(row)
        if silent is None:
            return ""
        seconds = max(0, round(silent / dt.timedelta(seconds=1)))
        return gettext("%(seconds)d s ago") % {"seconds": seconds}

    def get_urls(self) -> list[URLPattern]:
        """Add the acts; both take only a POST with the form's token."""
        acts = [
            path(
                f"<uuid:run_id>/{name}/",
                self.admin_site.admin_view(self._act_view(act)),
                name=f"jobs_run_{name}",
            )
            for name, act in (("requeue", services.run_requeue), ("cancel", services.run_cancel))
        ]
        return [*acts, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a run with its log and what may be done to it."""
        run = self.get_object(request, object_id)
        more: dict[str, Any] = {"title": gettext("Run"), "log": []}
        if run is not None:
            more |= {
                "run": run,
                "log": selectors.run_log(run.pk),
                "may_requeue": run.status == RunStatus.FAILED,
                "may_cancel": run.status not in {*FINAL, RunStatus.SAVING, RunStatus.CANCELLING},
            }
        response: HttpResponse = super().change_view(
            request, object_id, form_url, {**(extra_context or {}), **more}
        )
        return response

    @action(description=_("Requeue selected failed runs"))  # type: ignore[untyped-decorator]
    def requeue_selected(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        """Queue each selected run again, or say why not."""
        for run in queryset:
            _perform(request, services.run_requeue, run.tenant_id, run.pk)

    @action(description=_("Cancel selected runs"))  # type: ignore[untyped-decorator]
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Run]) -> None:
        """Stop each selected run, or say why not."""
        for run in queryset:
            _perform(request, services.run_cancel, run.tenant_id, run.pk)

    @staticmethod
    def _act_view(act: Act) -> Callable[..., HttpResponse]:
        def view(request: HttpRequest, run_id: uuid.UUID) -> HttpResponse:
            if request.method != "POST":
                return HttpResponseNotAllowed(["POST"])
            tenant_id = selectors.run_tenant(run_id)
            if tenant_id is None:
                raise Http404
            _perform(request, act, tenant_id, run_id)
            return redirect("admin:jobs_run_change", run_id)

        return view


class DeploymentAdmin(TenantRows):
    """Deployments of all tenants."""

    list_display = (
        "name", "workspace", "state", "model", "version", "shard", "error_code", "moved_at",
    )  # fmt: skip
    fields = (
        "name", "workspace", "status", "model", "version", "shard", "error_code", "error",
        "moved_at", "live_at", "created_at", "id",
    )  # fmt: skip
    readonly_fields = ("workspace", "created_at", "id")
    list_filter = (TenantFilter, "status")
    list_select_related = ("model", "version")
    search_fields = ("id", "name", "tenant_slug")

    @display(  # type: ignore[untyped-decorator]
        description=_("status"),
        ordering="status",
        label={"live": "success", "failed": "danger", "loading": "info", "pending": "info"},
    )
    def state(self, row: Deployment) -> tuple[str, str]:
        """Show the status, coloured."""
        return row.status, row.get_status_display()


class EntryAdmin(TenantRows):
    """The ledger, to read."""

    list_display = ("at", "workspace", "meter", "amount", "entry_id")
    fields = (*list_display, "subject", "created_at", "id")
    readonly_fields = ("workspace", "created_at", "id")
    list_filter = (TenantFilter, "meter")
    search_fields = ("entry_id", "tenant_slug")


class AuditAdmin(TenantRows):
    """The audit trail, to read."""

    list_display = (
        "created_at", "workspace", "actor_kind", "actor_id", "action", "object_kind", "object_id",
    )  # fmt: skip
    fields = (*list_display, "facts", "request_id", "id")
    readonly_fields = ("created_at", "workspace", "id")
    list_filter = (TenantFilter, ("action", FieldTextFilter), "actor_kind")
    search_fields = ("actor_id", "object_id", "request_id", "action", "tenant_slug")


def _perform(request: HttpRequest, act: Act, tenant_id: uuid.UUID, run_id: uuid.UUID) -> None:
    """Do one act and say what came of it; a refusal changes nothing."""
    actor = _actor(request, tenant_id)
    try:
        run = act(actor=actor, run_id=run_id)
    except DomainError as refusal:
        messages.error(request, refusal.message)
        return
    logger.info("ops_act", act=act.__name__, run=str(run_id), staff=actor.id)
    messages.success(
        request,
        gettext("%(run)s is %(state)s now.")
        % {"run": run.title, "state": run.get_status_display()},
    )


def _actor(request: HttpRequest, tenant_id: uuid.UUID) -> Actor:
    if not isinstance(request.user, User):
        raise PermissionDenied
    return services.staff_actor(
        user=request.user, tenant_id=tenant_id, request_id=request_id.of(request)
    )


site.register(Tenant, TenantAdmin)
site.register(Run, RunAdmin)
site.register(Deployment, DeploymentAdmin)
site.register(Entry, EntryAdmin)
site.register(AuditEvent, AuditAdmin)
