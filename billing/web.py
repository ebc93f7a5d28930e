"""The usage page with the plan and its export, the pricing page, and the ways to Stripe."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

from allauth.account.views import signup
from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from billing import amounts, plans, selectors, services, usage
from billing.periods import Period
from billing.plans import Plan
from billing.selectors import Gauge, Standing, Summary
from modelyard.core.http.pagination import keyset
from tenants.access import Actor
from tenants.http import actor_of, long_lived, requires, tenant_of
from tenants.models import Tenant, User
from tenants.scoping.context import tenant_scope

EXPORT_ROWS = 1000
PATIENCE = 20
"""Looks, a second apart, until the page says that Stripe's confirmation takes longer."""
ASK_AT = 5
"""The look (and every tenth after it) at which Stripe is asked, should its event be lost."""


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
        **_money(request),
    }
    return render(request, "usage/index.html", context)


# --- The plan, and buying another --------------------------------------------------------------


def _money(request: HttpRequest) -> dict[str, object]:
    """Return what the usage page shows of plan and payment; nothing without billing."""
    if settings.BILLING == "off":
        return {"billing": None, "checkout": None}
    actor = actor_of(request)
    standing = selectors.standing(actor.tenant_id)
    may_manage = actor.may("billing.manage")
    offers = [] if standing.in_force.name in plans.SOLD else list(plans.SOLD.values())
    # Who owes keeps the subscription: a new card goes into the portal, not into a second one.
    offers = [] if standing.is_past_due else offers
    return {
        "billing": {
            "title": standing.in_force.title,
            "price": _price(standing.in_force),
            "sentence": _plan_sentence(standing),
            "tone": "err" if standing.is_past_due else "",
            "offers": [_offer(plan) for plan in offers],
            "chosen": request.GET.get("plan", "") if offers else "",
            "may_manage": may_manage,
            "has_customer": standing.has_customer,
        },
        "checkout": _checkout_note(request, actor, standing),
    }


def _price(plan: Plan) -> str:
    if not plan.price_cents:
        return _("€0")
    return _("%(amount)s a month") % {"amount": amounts.price(plan.price_cents)}


def _plan_sentence(standing: Standing) -> str:
    facts = {
        "plan": standing.plan.title,
        "next": date_format(standing.period_end, "j F Y") if standing.period_end else "",
        "end": date_format(standing.ends_at, "j F Y") if standing.ends_at else "",
        "grace": date_format(standing.grace_until, "j F Y") if standing.grace_until else "",
    }
    if standing.is_past_due and standing.in_force.name != standing.plan.name:
        return (
            _(
                "The last payment failed, and the days of grace ended on %(grace)s: the Free limits"
                " apply. Under Manage billing you can use another card."
            )
            % facts
        )
    if standing.is_past_due:
        return (
            _(
                "The last payment failed. %(plan)s stays until %(grace)s; use another card under"
                " Manage billing before then."
            )
            % facts
        )
    if standing.ends_at:
        return _("Cancelled: %(plan)s stays until %(end)s, then the Free limits apply.") % facts
    if standing.period_end:
        return _("The next payment is due on %(next)s.") % facts
    return _("Nothing is charged.") if not standing.in_force.price_cents else ""


def _offer(plan: Plan) -> dict[str, object]:
    return {"name": plan.name, "title": plan.title, "price": _price(plan), "rows": _rows(plan)}


def _rows(plan: Plan) -> list[tuple[str, str]]:
    return [(str(plans.TITLES[limit]), _allows(limit, most)) for limit, most in plan.limits.items()]


def _allows(limit: str, most: int | None) -> str:
    if most is None:
        return _("no limit")
    text = amounts.short(limit, most)
    return _("%(amount)s a month") % {"amount": text} if limit in plans.METERS else text


def _checkout_note(
    request: HttpRequest, actor: Actor, standing: Standing
) -> dict[str, object] | None:
    """Return what to say to somebody who comes back from Stripe's page."""
    came = request.GET.get("checkout", "")
    if came == "canceled":
        title, body = _("Nothing was charged"), _("You left Stripe's page before paying.")
        return {"tone": "accent", "icon": "info", "title": title, "body": body, "again": 0}
    if came == "managed":
        return _managed_note(actor, _look(request))
    if came != "success":
        return None
    if standing.in_force.name in plans.SOLD:
        title = _("You are on the %(plan)s plan") % {"plan": standing.in_force.title}
        body = _("Stripe has confirmed the payment, and the new limits apply from now on.")
        return {"tone": "ok", "icon": "circle-check", "title": title, "body": body, "again": 0}
    look = _look(request)
    if look % 10 == ASK_AT:
        services.account_refresh(actor=actor)
    body = _("This takes a few seconds, and this page goes on by itself.")
    if look > PATIENCE:
        body = _(
            "It takes longer than usual. You need not wait here: the plan changes as soon as"
            " Stripe confirms, and you are not charged twice."
        )
    title = _("Waiting for Stripe's confirmation")
    seconds = 1 if look <= PATIENCE else 5
    return {
        "tone": "accent", "icon": "clock", "title": title, "body": body,
        "came": came, "again": look + 1, "seconds": seconds,
    }  # fmt: skip


def _look(request: HttpRequest) -> int:
    """Return how often the page has looked again."""
    text = request.GET.get("look", "0")
    return int(text) if text.isdigit() and len(text) < 5 else 0


def _managed_note(actor: Actor, look: int) -> dict[str, object] | None:
    """Return what to say after Stripe's portal: what was changed there comes by an event."""
    if look > PATIENCE:
        return None
    if look == 0:
        services.account_refresh(actor=actor)
    return {
        "tone": "accent", "icon": "clock", "title": _("Back from Stripe"),
        "body": _("What you changed there shows here within a few seconds."),
        "came": "managed", "again": look + 1, "seconds": 1,
    }  # fmt: skip


@long_lived
@require_POST
@requires("billing.manage")
def checkout(request: HttpRequest) -> HttpResponse:
    """Send the person to Stripe's page for the plan."""
    user = request.user
    email = user.email if isinstance(user, User) else ""
    plan = request.POST.get("plan", "")
    return redirect(services.checkout_open(actor=actor_of(request), plan=plan, email=email))


@long_lived
@require_POST
@requires("billing.manage")
def portal(request: HttpRequest) -> HttpResponse:
    """Send the person to Stripe's pages for cards, invoices and cancelling."""
    return redirect(services.portal_open(actor=actor_of(request)))


@require_GET
def pricing(request: HttpRequest) -> HttpResponse:
    """Show the plans and what each allows, to everybody."""
    offered = plans.OFFERED if settings.BILLING != "off" else ()
    context = {
        "plans": [{**_offer(plan), "is_sold": plan.name in plans.SOLD} for plan in offered],
    }
    return render(request, "billing/pricing.html", context)


@require_http_methods(["GET", "POST"])
def sign_up(request: HttpRequest) -> HttpResponseBase:
    """Keep the plan that was chosen on the pricing page, then sign up as always."""
    plan = request.GET.get("plan", "")
    if plan in plans.SOLD and settings.BILLING != "off":
        request.session[plans.CHOSEN_PLAN] = plan
    elif plan:
        request.session.pop(plans.CHOSEN_PLAN, None)
    if plan and request.user.is_authenticated:
        return redirect("root")
    answer: HttpResponseBase = signup(request)
    return answer


# --- Use -----------------------------------------------------------------------------------------


def _sentence(summary: Summary) -> str:
    return _("%(plan)s plan, %(start)s to %(end)s.") % {
        "plan": summary.plan.title,
        "start": date_format(summary.period.start, pgettext("date", "j F")),
        "end": date_format(summary.period.last_day, pgettext("date", "j F")),
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
        "next": date_format(summary.period.end, pgettext("date", "j F")),
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
