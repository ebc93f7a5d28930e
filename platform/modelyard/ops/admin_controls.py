"""The console's page of one tenant: plan, use, people, and what operators may do to it."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import structlog
from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from billing import amounts, overrides, plans
from billing import selectors as billing
from modelyard.core import clock
from modelyard.core.errors import Conflict, DomainError, Invalid
from modelyard.core.http import request_id
from modelyard.ops import roles, selectors
from modelyard.ops.admin_site import site
from tenants.controls import flags
from tenants.controls import selectors as controls
from tenants.controls.services import flags as flag_services
from tenants.controls.services import staff, suspensions
from tenants.controls.types import Operator
from tenants.models import Tenant, User

logger = structlog.get_logger(__name__)
Act = Callable[[HttpRequest, Operator, Tenant], str]
UNITS = {
    plans.TRAIN_MS: (_("hours"), plans.HOUR_MS),
    plans.STORAGE_BYTES: (_("GiB"), plans.GIB),
}
"""Limit -> unit in which operators type it, and how many of the limit's own that is."""
EXPIRIES = {
    "7": _("for 7 days"),
    "30": _("for 30 days"),
    "90": _("for 90 days"),
    "365": _("for a year"),
    "never": _("without an end"),
}
LOOK = "look"


def operator_of(request: HttpRequest) -> Operator:
    """Return who is signed in at the console.

    Raises:
        PermissionDenied: Nobody is.
    """
    if not isinstance(request.user, User):
        raise PermissionDenied
    return Operator(request.user.pk, str(request.user), request_id.of(request))


class TenantPage:
    """The page of one tenant, and its acts; all take only a POST with the form's token."""

    change_form_template = "controls/tenant.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the acts."""
        acts = [
            path(
                f"<uuid:tenant_id>/{name}/",
                site.admin_view(_act_view(permission, act)),
                name=f"tenant_{name}",
            )
            for name, (permission, act) in ACTS.items()
        ]
        look = path(f"<uuid:tenant_id>/{LOOK}/", site.admin_view(_look_view), name=f"tenant_{LOOK}")
        return [*acts, look, *super().get_urls()]  # type: ignore[misc]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the tenant."""
        tenant = self.get_object(request, object_id)  # type: ignore[attr-defined]
        more = {} if tenant is None else _context(request, tenant)
        response: HttpResponse = super().change_view(  # type: ignore[misc]
            request, object_id, form_url, {**(extra_context or {}), **more}
        )
        return response


def _context(request: HttpRequest, tenant: Tenant) -> dict[str, Any]:
    now = clock.now()
    acts = ("tenants.act", "overrides.act", "flags.act", "impersonate", "impersonate.write")
    past = controls.suspension_list(tenant.pk)
    sessions = controls.staff_session_list(tenant.pk)
    return {
        "title": gettext("Workspace"),
        "tenant": tenant,
        "suspension": next((row for row in past if row.ended_at is None), None),
        "suspensions": [row for row in past if row.ended_at is not None],
        "summary": billing.summary(tenant.pk),
        "people": selectors.members_of(tenant.pk),
        "overrides": overrides.override_list(tenant.pk),
        "limits": [(name, _limit_title(name)) for name in plans.LIMITS],
        "expiries": EXPIRIES.items(),
        "flags": [
            {
                "flag": flag,
                "listed": flag.pk in controls.flags_listed(tenant.pk),
                "on": flags.flag_is_active(tenant, flag.name),
            }
            for flag in controls.flag_list()
        ],
        "sessions": [
            {"row": row, "open": row.ended_at is None and row.expires_at > now} for row in sessions
        ],
        "may": {act.replace(".", "_"): roles.may(request.user, act) for act in acts},
        "minutes": int(staff.LENGTH.total_seconds() // 60),
    }


def _limit_title(name: str) -> str:
    title = str(plans.TITLES[name])
    return f"{title} ({UNITS[name][0]})" if name in UNITS else title


def _tenant(tenant_id: uuid.UUID) -> Tenant:
    found = Tenant.objects.filter(pk=tenant_id).first()
    if found is None:
        raise Http404
    return found


def _act_view(permission: str, act: Act) -> Callable[..., HttpResponse]:
    @require_POST
    def view(request: HttpRequest, tenant_id: uuid.UUID) -> HttpResponse:
        roles.require(request.user, permission)
        tenant = _tenant(tenant_id)
        try:
            said = act(request, operator_of(request), tenant)
        except DomainError as refusal:
            messages.error(request, refusal.message)
        else:
            logger.info("ops_act", act=act.__name__, tenant=str(tenant_id))
            messages.success(request, said)
        return redirect("admin:tenants_tenant_change", tenant_id)

    return view


def _reason(request: HttpRequest) -> str:
    return request.POST.get("reason", "")


def _suspend(request: HttpRequest, operator: Operator, tenant: Tenant) -> str:
    if request.POST.get("confirm", "").strip().lower() != tenant.slug:
        raise Invalid(
            _("Type the workspace's address, %(slug)s, to suspend it.") % {"slug": tenant.slug},
            code="not_confirmed",
        )
    suspensions.tenant_suspend(operator=operator, tenant_id=tenant.pk, reason=_reason(request))
    return gettext("%(name)s is suspended.") % {"name": tenant}


def _resume(request: HttpRequest, operator: Operator, tenant: Tenant) -> str:
    suspensions.tenant_resume(operator=operator, tenant_id=tenant.pk, reason=_reason(request))
    return gettext("%(name)s is open again.") % {"name": tenant}


def _override(request: HttpRequest, operator: Operator, tenant: Tenant) -> str:
    limit = request.POST.get("limit", "")
    row = overrides.override_set(
        operator=operator,
        tenant_id=tenant.pk,
        limit=limit,
        value=_amount(limit, request.POST.get("amount", "")),
        expires_at=_expiry(request.POST.get("expires", "")),
        reason=_reason(request),
    )
    amount = gettext("no limit") if row.value is None else amounts.short(limit, row.value)
    return gettext("%(limit)s: %(amount)s from now on.") % {
        "limit": plans.TITLES[limit],
        "amount": amount,
    }


def number_in(text: str) -> Decimal | None:
    """Return the number that was typed; None when it is none, or not finite."""
    try:
        value = Decimal(text.replace(",", "").strip())
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def _amount(limit: str, text: str) -> int | None:
    """Return what was typed in the limit's own unit; nothing typed is no limit."""
    if not text.strip():
        return None
    value = number_in(text)
    if value is None or abs(value) > overrides.MOST:
        raise Invalid(
            _("Write the amount as a number, or leave it open for no limit."), code="limit_amount"
        )
    return int(value * UNITS.get(limit, ("", 1))[1])


def _expiry(chosen: str) -> dt.datetime | None:
    if chosen not in EXPIRIES:
        raise Invalid(_("Choose how long it counts."), code="expiry_missing")
    return None if chosen == "never" else clock.now() + dt.timedelta(days=int(chosen))


def _id_in(request: HttpRequest, name: str) -> uuid.UUID:
    try:
        return uuid.UUID(request.POST.get(name, ""))
    except ValueError as error:
        raise Conflict(_("It has ended already."), code="ended_already") from error


def _override_end(request: HttpRequest, operator: Operator, tenant: Tenant) -> str:
    overrides.override_end(
        operator=operator,
        tenant_id=tenant.pk,
        override_id=_id_in(request, "override"),
        reason=_reason(request),
    )
    return gettext("The plan's limit counts again.")


def _flag(request: HttpRequest, operator: Operator, tenant: Tenant) -> str:
    name, on = request.POST.get("flag", ""), request.POST.get("on") == "1"
    flag_services.flag_list(
        operator=operator, tenant_id=tenant.pk, name=name, on=on, reason=_reason(request)
    )
    said = gettext("%(flag)s is on for %(name)s.") if on else gettext("%(flag)s: off the list.")
    return said % {"flag": name, "name": tenant}


def _look_end(request: HttpRequest, operator: Operator, tenant: Tenant) -> str:
    staff.session_revoke(
        operator=operator,
        tenant_id=tenant.pk,
        session_id=_id_in(request, "session"),
        reason=_reason(request),
    )
    return gettext("The session has ended.")


@require_POST
def _look_view(request: HttpRequest, tenant_id: uuid.UUID) -> HttpResponse:
    """Make a staff session and show its link, once."""
    roles.require(request.user, "impersonate")
    tenant = _tenant(tenant_id)
    may_write = request.POST.get("mode") == "write"
    if may_write:
        roles.require(request.user, "impersonate.write")
    try:
        if may_write and request.POST.get("agreed") != "1":
            raise Invalid(
                _("Say that the workspace agreed to changes, or choose to look only."),
                code="not_confirmed",
            )
        session, link = staff.session_make(
            operator=operator_of(request),
            tenant_id=tenant.pk,
            reason=_reason(request),
            may_write=may_write,
        )
    except DomainError as refusal:
        messages.error(request, refusal.message)
        return redirect("admin:tenants_tenant_change", tenant_id)
    logger.info("ops_act", act=LOOK, tenant=str(tenant_id), session=str(session.pk))
    context = {
        **site.each_context(request),
        "title": gettext("Open %(name)s as support") % {"name": tenant},
        "tenant": tenant,
        "session": session,
        # `staff-enter`: the product's addresses are none of this process's.
        "link": f"{settings.SITE_URL}/support/{link}",
        "seconds": staff.LINK_SECONDS,
    }
    response = render(request, "controls/look.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


ACTS: dict[str, tuple[str, Act]] = {
    "suspend": ("tenants.act", _suspend),
    "resume": ("tenants.act", _resume),
    "override": ("overrides.act", _override),
    "override_end": ("overrides.act", _override_end),
    "flag": ("flags.act", _flag),
    "look_end": ("impersonate", _look_end),
}
"""Address -> what a role must allow, and the act."""
