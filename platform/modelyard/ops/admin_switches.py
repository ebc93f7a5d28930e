"""The console's pages for the whole site: switches with a second step, and flags."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST

from modelyard.core.errors import DomainError, Invalid
from modelyard.ops import roles
from modelyard.ops.admin_controls import number_in, operator_of
from modelyard.ops.admin_site import site
from tenants.controls import selectors, switches
from tenants.controls.reasons import reason_clean
from tenants.controls.services import flags
from tenants.controls.services.switches import switch_set
from tenants.controls.types import Operator

logger = structlog.get_logger(__name__)
EFFECTS = {
    switches.SIGN_UP: _("Nobody can make an account, by invitation or provider neither."),
    switches.TRAINING: _(
        "No run can be started, and those in the queue wait. What trains now goes on."
    ),
    switches.WEBHOOKS: _(
        "Events of Stripe are stored and wait, at most seven days. Plans stay as they are."
    ),
    switches.MAINTENANCE: _("Every page of the product shows the text above everything else."),
}
"""What stopping does, as the second step says it."""
EVERYONE: dict[str, bool | None] = {"on": True, "off": False, "list": None}


@require_GET
def switches_view(request: HttpRequest) -> HttpResponse:
    """Show the switches and what was done with them.

    Raises:
        PermissionDenied: The operator's role does not allow it.
    """
    roles.require(request.user, "switches.act")
    known = selectors.switch_list()
    rows = [
        {"name": name, "title": title, "effect": EFFECTS[name], "row": known.get(name)}
        for name, title in switches.TITLES.items()
    ]
    context = {**site.each_context(request), "title": gettext("Switches"), "switches": rows}
    return render(request, "controls/switches.html", context | {"acts": selectors.act_list()})


@require_POST
def switch_view(request: HttpRequest, name: str) -> HttpResponse:
    """Throw a switch: the first POST asks again and says what it does, the second one acts.

    Raises:
        Http404: There is no such switch.
    """
    roles.require(request.user, "switches.act")
    if name not in switches.NAMES:
        raise Http404
    stop = request.POST.get("stop") == "1"
    note, reason = request.POST.get("note", ""), request.POST.get("reason", "")
    try:
        if request.POST.get("confirm", "").strip().lower() != name:
            if "confirm" in request.POST:
                messages.error(request, gettext("Type %(word)s to confirm.") % {"word": name})
            return _ask(request, name, stop=stop, note=note, reason=reason_clean(reason))
        switch_set(operator=operator_of(request), name=name, stopped=stop, note=note, reason=reason)
    except DomainError as refusal:
        messages.error(request, refusal.message)
        return redirect("switches")
    logger.warning("ops_switch", switch=name, stopped=stop)
    said = gettext("%(what)s: stopped.") if stop else gettext("%(what)s: runs again.")
    if name == switches.MAINTENANCE:
        said = gettext("%(what)s: shown.") if stop else gettext("%(what)s: gone.")
    messages.success(request, said % {"what": switches.TITLES[name]})
    return redirect("switches")


def _ask(request: HttpRequest, name: str, *, stop: bool, note: str, reason: str) -> HttpResponse:
    if name == switches.MAINTENANCE and stop and not note.strip():
        raise Invalid(_("Write what the banner says."), code="note_missing")
    context = {
        **site.each_context(request),
        "title": switches.TITLES[name],
        "name": name,
        "stop": stop,
        "note": note,
        "reason": reason,
        "effect": EFFECTS[name],
    }
    return render(request, "controls/switch_confirm.html", context)


@require_GET
def flags_view(request: HttpRequest) -> HttpResponse:
    """Show the flags, for whom each is on, and what was done with them.

    Raises:
        PermissionDenied: The operator's role does not allow it.
    """
    roles.require(request.user, "flags.act")
    context = {
        **site.each_context(request),
        "title": gettext("Flags"),
        "flags": selectors.flag_list().prefetch_related("tenants"),
        "acts": [act for act in selectors.act_list() if act.action.startswith("flag.")],
    }
    return render(request, "controls/flags.html", context)


@require_POST
def flag_view(request: HttpRequest, act: str) -> HttpResponse:
    """Make, change or delete a flag.

    Raises:
        Http404: There is no such act.
    """
    roles.require(request.user, "flags.act")
    if act not in FLAG_ACTS:
        raise Http404
    form = {key: str(value) for key, value in request.POST.items()}
    try:
        said = FLAG_ACTS[act](operator_of(request), form)
    except DomainError as refusal:
        messages.error(request, refusal.message)
    else:
        logger.info("ops_flag", act=act, flag=form.get("name", ""))
        messages.success(request, said)
    return redirect("flags")


def _make(operator: Operator, form: dict[str, str]) -> str:
    flag = flags.flag_make(
        operator=operator,
        name=form.get("name", ""),
        note=form.get("note", ""),
        reason=form.get("reason", ""),
    )
    return gettext("%(flag)s is made, and off for everyone.") % {"flag": flag.name}


def _set(operator: Operator, form: dict[str, str]) -> str:
    if form.get("everyone") not in EVERYONE:
        raise Invalid(_("Choose for whom the flag is on."), code="flag_everyone")
    percent = number_in(form.get("percent", "") or "0")
    if percent is None:
        raise Invalid(_("Give a percentage from 0 to 99.9."), code="flag_percent")
    flag = flags.flag_set(
        operator=operator,
        name=form.get("name", ""),
        everyone=EVERYONE[form["everyone"]],
        percent=percent,
        reason=form.get("reason", ""),
    )
    return gettext("%(flag)s is changed.") % {"flag": flag.name}


def _delete(operator: Operator, form: dict[str, str]) -> str:
    flags.flag_delete(operator=operator, name=form.get("name", ""), reason=form.get("reason", ""))
    return gettext("%(flag)s is gone.") % {"flag": form.get("name", "")}


FLAG_ACTS: dict[str, Callable[[Operator, dict[str, str]], str]] = {
    "make": _make,
    "set": _set,
    "delete": _delete,
}
