"""The console's pages of rows to read: deployments, the ledger, the audit trail."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import FieldTextFilter
from unfold.decorators import display

from billing.models import Entry
from modelyard.ops.admin_site import TenantFilter, TenantRows, column, site, status_mark
from tenants.models import AuditEvent
from training.serving.models import Deployment

CREATED = column("created_at", _("created"))
ID = column("id", _("id"))


class DeploymentAdmin(TenantRows):
    """Deployments of all tenants."""

    heading = _("Deployments")
    _columns = (
        column("model", _("model")),
        column("version", _("version")),
        column("shard", _("shard")),
        column("error_code", _("error")),
        column("moved_at", _("since")),
    )
    _facts = (column("error", _("what went wrong")), column("live_at", _("live since")))
    list_display = (column("name", _("name")), "workspace", "state", *_columns)
    fields = ("workspace", "state", *_columns, *_facts, CREATED, ID)
    readonly_fields = fields
    list_filter = (TenantFilter, "status")
    list_select_related = ("model", "version")
    search_fields = ("id", "name", "tenant_slug")

    @display(description=_("status"), ordering="status")  # type: ignore[untyped-decorator]
    def state(self, row: Deployment) -> str:
        """Show the status as a shape and a word."""
        return status_mark(row.status)


class EntryAdmin(TenantRows):
    """The ledger, to read."""

    act = "ledger.read"
    heading = _("Ledger")
    _columns = (
        column("meter", _("meter")),
        column("amount", _("amount")),
        column("entry_id", _("entry")),
    )
    list_display = (column("at", _("when")), "workspace", *_columns)
    fields = (*list_display, column("subject", _("for what")), CREATED, ID)
    readonly_fields = fields
    list_filter = (TenantFilter, "meter")
    search_fields = ("entry_id", "tenant_slug")


class AuditAdmin(TenantRows):
    """The audit trail, to read."""

    heading = _("Audit")
    _columns = (
        column("action", _("act")),
        column("actor_kind", _("by a")),
        column("actor_id", _("who")),
        column("object_kind", _("what")),
        column("object_id", _("which")),
    )
    list_display = (column("created_at", _("when")), "workspace", *_columns)
    fields = (*list_display, column("facts", _("facts")), column("request_id", _("request")), ID)
    readonly_fields = fields
    list_filter = (TenantFilter, ("action", FieldTextFilter), "actor_kind")
    search_fields = ("actor_id", "object_id", "request_id", "action", "tenant_slug")

    def row_name(self, row: AuditEvent) -> str:
        """Return what was done."""
        return row.action


site.register(Deployment, DeploymentAdmin)
site.register(Entry, EntryAdmin)
site.register(AuditEvent, AuditAdmin)
