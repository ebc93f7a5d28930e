"""Account pages that allauth does not have: name, devices, signing in again."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from modelyard.core.errors import Invalid, Unauthenticated
from tenants.identity import selectors, services
from tenants.models import User


def _person(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise Unauthenticated(_("Sign in first."))
    return request.user


@require_POST
@login_required
def name_change(request: HttpRequest) -> HttpResponse:
    """Change the name that others see."""
    try:
        services.name_change(user=_person(request), name=request.POST.get("name", ""))
    except Invalid as refusal:
        messages.error(request, refusal.message)
    else:
        messages.success(request, _("Your name is saved."))
    return redirect("account_email")


@require_GET
@login_required
@never_cache
def device_list(request: HttpRequest) -> HttpResponse:
    """Show where the person is signed in."""
    devices = selectors.device_list(request, user=_person(request))
    return render(request, "usersessions/devices.html", {"devices": devices})


@require_POST
@login_required
def device_end(request: HttpRequest, device_id: int) -> HttpResponse:
    """Sign one other device out."""
    services.device_end(request, user=_person(request), device_id=device_id)
    messages.success(request, _("The device is signed out."))
    return redirect("identity:devices")


@require_POST
@login_required
def devices_end(request: HttpRequest) -> HttpResponse:
    """Sign all other devices out."""
    ended = services.devices_end_others(request, user=_person(request))
    words = ngettext("%(n)d device is signed out.", "%(n)d devices are signed out.", ended)
    messages.success(request, words % {"n": ended})
    return redirect("identity:devices")


@require_http_methods(["GET", "POST"])
@login_required
def again(request: HttpRequest) -> HttpResponse:
    """Sign out and in again: how people without password and factor confirm who they are."""
    target = request.GET.get("next") or request.POST.get("next") or "/"
    if not url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()}):
        target = "/"
    if request.method == "POST":
        logout(request)
        return redirect(f"{reverse('account_login')}?{urlencode({'next': target})}")
    return render(request, "account/again.html", {"next": target})
