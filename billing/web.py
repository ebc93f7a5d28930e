"""The usage page."""

from __future__ import annotations

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.formats import date_format
from django.views.decorators.http import require_GET

from billing import plans, selectors, usage
from tenants.http import requires, tenant_of

LINES = 25


@require_GET
@requires("usage.read")
def usage_index(request: HttpRequest) -> HttpResponse:
    """Show meters with their limits, predictions by day, and the ledger's lines."""
    tenant_id = tenant_of(request).pk
    summary = selectors.summary(tenant_id)
    wanted = request.GET.get("request_id", "").strip()[:80]
    page = Paginator(selectors.entry_list(request_id=wanted), LINES).get_page(
        request.GET.get("page")
    )
    days = usage.by_day(tenant_id, plans.PREDICTIONS, summary.period)
    context = {
        "summary": summary,
        "reached": [gauge for gauge in summary.gauges if gauge.is_reached],
        "days": [(str(day.day), amount) for day, amount in days],
        "total": sum(amount for _, amount in days),
        "month": date_format(summary.period.start, "F"),
        "page": page,
        "request_id": wanted,
    }
    return render(request, "usage/index.html", context)
