"""The console's list of tenants."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.decorators import display

from billing import amounts, plans
from modelyard.ops import admin_controls, selectors
from modelyard.ops.admin_site import ReadOnly, column, site, status_mark
from tenants.models import Tenant


class TenantAdmin(admin_controls.TenantPage, ReadOnly):
    """Tenants with plan, members and this month's use."""

    heading = _("Workspaces")
    _columns = (column("name", _("name")), "state", "plan", "members", *plans.METERS)
    _made = column("created_at", _("created"))
    list_display = (column("slug", _("address")), *_columns, _made)
    fields = (*list_display, column("id", _("id")))
    readonly_fields = fields
    list_filter = ("status",)
    search_fields = ("slug", "name")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return tenants with what the columns show."""
        return selectors.with_usage(super().get_queryset(request))

    @display(description=_("status"), ordering="status")  # type: ignore[untyped-decorator]
    def state(self, row: Any) -> str:
        """Show the status as a shape and a word."""
        return status_mark(row.status)

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


site.register(Tenant, TenantAdmin)
