"""The usage page and its export."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET

from billing import plans, selectors, usage
from billing.periods import Period
from billing.selectors import Gauge, Summary
from modelyard.core.http.pagination import keyset
from tenants.http import long_lived, requires, tenant_of
from tenants.models import Tenant
from tenants.scoping.context import tenant_scope

EXPORT_ROWS = 1000


@require_GET
@requires("usage.read")
def usage_index(request: HttpRequest) -> HttpResponse:
    """Show meters with their limits, predictions by day, and the ledger's lines."""
    tenant_id = tenant_of(request).pk
    summary = selectors.summary(tenant_id)
    wanted = request.GET.get("request_id", "").strip()[:80]
    page = keyset(selectors.entry_list(request_id=wanted), request.GET.get("cursor", ""))
    days = usage.by_day(tenant_id, plans.PREDICTIONS, summary.period)
    total = sum(amount for _day, amount in days)
    context = {
        "sentence": _sentence(summary),
        "meters": [_meter(gauge) for gauge in summary.gauges],
        "limit_note": _limit_note(summary),
        "days": [(str(day.day), float(amount)) for day, amount in days] if total else [],
        "days_finding": _finding(total),
        "month": date_format(summary.period.start, "F"),
        "entries": selectors.lines_of(page.rows),
        "page": page,
        "plan": summary.plan,
        "request_id": wanted,
    }
    return render(request, "usage/index.html", context)


def _sentence(summary: Summary) -> str:
    return _("%(plan)s plan, %(start)s to %(end)s.") % {
        "plan": summary.plan.title,
        "start": date_format(summary.period.start, "j F"),
        "end": date_format(summary.period.last_day, "j F"),
    }


def _meter(gauge: Gauge) -> dict[str, object]:
    is_flow = gauge.name in plans.METERS
    return {
        "label": gauge.title,
        "value": gauge.used_text,
        "limit": _("of %(limit)s") % {"limit": gauge.limit_text} if gauge.limit_text else "",
        "hint": _("this month") if is_flow else _("in use now"),
        "percent": gauge.share,
        "limited": gauge.limit is not None,
    }


def _limit_note(summary: Summary) -> dict[str, str] | None:
    """Return what to say above the meters: the limit that is reached, or nearly."""
    limited = [gauge for gauge in summary.gauges if gauge.limit is not None]
    fullest = max(limited, key=lambda gauge: gauge.share, default=None)
    if fullest is None or fullest.share < 80:
        return None
    facts = {
        "title": fullest.title,
        "used": fullest.used_text,
        "limit": fullest.limit_text,
        "share": fullest.share,
        "next": date_format(summary.period.end, "j F"),
    }
    title = _("%(title)s: %(used)s of %(limit)s used, %(share)d%% of your limit") % facts
    if fullest.name in plans.METERS:
        body = _(
            "At the limit further requests are refused with a sentence (402 in the API) and are "
            "not charged. Upgrade the plan, or go on from %(next)s."
        )
    else:
        body = _("At the limit nothing more can be added. Upgrade the plan, or remove something.")
    return {"tone": "err" if fullest.is_reached else "warn", "title": title, "body": body % facts}


def _finding(total: int) -> str:
    return ngettext("%(n)s prediction this month", "%(n)s predictions this month", total) % {
        "n": number_format(total, force_grouping=True)
    }


@long_lived
@require_GET
@requires("usage.read")
def usage_export(request: HttpRequest) -> StreamingHttpResponse:
    """Download the ledger of the running month as CSV."""
    tenant = tenant_of(request)
    period = selectors.summary(tenant.pk).period
    response = StreamingHttpResponse(_csv(tenant, period), content_type="text/csv; charset=utf-8")
    name = f"usage-{tenant.slug}-{period.name}.csv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _csv(tenant: Tenant, period: Period) -> Iterator[str]:
    """Yield the lines, a short transaction a thousand: a slow reader holds none open."""
    yield "entry,at,meter,amount,subject\r\n"
    cursor = ""
    while True:
        with tenant_scope(tenant.pk):
            rows = selectors.entry_list().filter(at__gte=period.start, at__lt=period.end)
            page = keyset(rows, cursor, size=EXPORT_ROWS)
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        for row in page.rows:
            subject = json.dumps(row.subject, sort_keys=True)
            writer.writerow([row.entry_id, row.at.isoformat(), row.meter, row.amount, subject])
        yield buffer.getvalue()
        if not page.next:
            return
        cursor = page.next
