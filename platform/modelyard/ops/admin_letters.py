"""The console's page of dead letters, and Stripe's events to read."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import structlog
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_GET, require_POST
from unfold.decorators import display

from billing.models import StripeEvent
from modelyard.core.errors import DomainError
from modelyard.ops import dashboard, letters, roles, services
from modelyard.ops.admin_site import ReadOnly, actor_of, column, site, status_mark
from tenants.controls.reasons import reason_clean

logger = structlog.get_logger(__name__)


class StripeEventAdmin(ReadOnly):
    """What Stripe told us of, to read."""

    act = "webhooks.read"
    heading = _("Webhooks")
    ordering = ("-received_at",)
    _columns = (
        column("type", _("type")),
        column("customer", _("customer")),
        "state",
        column("error", _("error")),
        column("received_at", _("received")),
    )
    list_display = (column("id", _("event")), *_columns)
    fields = (*_columns, column("processed_at", _("processed")))
    readonly_fields = fields
    list_filter = ("type", "error")
    search_fields = ("id", "customer")

    @display(description=_("status"), ordering="processed_at")  # type: ignore[untyped-decorator]
    def state(self, row: StripeEvent) -> str:
        """Show whether it is processed."""
        if row.error:
            return status_mark("failed", gettext("Not processed"))
        if row.processed_at is None:
            return status_mark("mapping", gettext("Waits"))
        return status_mark("done", gettext("Processed"))


@require_GET
def letters_view(request: HttpRequest) -> HttpResponse:
    """Show dead letters by cause."""
    roles.require(request.user, "look")
    context = {
        **site.each_context(request),
        "title": gettext("Dead letters"),
        "groups": letters.groups(link=dashboard.run_url),
        "may": {
            "run": roles.may(request.user, "runs.act"),
            "webhook": roles.may(request.user, "webhooks.act"),
        },
        "most": letters.REPLAYED_AT_ONCE,
        "run_days": letters.RUN_DAYS,
        "webhook_days": letters.WEBHOOK_DAYS,
    }
    return render(request, "letters.html", context)


@require_POST
def replay_view(request: HttpRequest, kind: str, code: str) -> HttpResponse:
    """Replay one letter or all of a cause, and say what came of it.

    Raises:
        Http404: There is no such kind.
    """
    acts = {"run": ("runs.act", _replay_runs), "webhook": ("webhooks.act", _replay_webhooks)}
    if kind not in acts:
        raise Http404
    act, replay = acts[kind]
    roles.require(request.user, act)
    try:
        done, refusals = replay(request, code, request.POST)
    except DomainError as refusal:
        messages.error(request, refusal.message)
        return redirect("letters")
    logger.info("ops_replayed", kind=kind, code=code, count=done, staff=str(request.user.pk))
    if done:
        said = ngettext("%(n)d is on its way again.", "%(n)d are on their way again.", done)
        messages.success(request, said % {"n": done})
    for sentence in refusals[:5]:
        messages.error(request, sentence)
    if not done and not refusals:
        messages.warning(request, gettext("There was nothing to replay any more."))
    return redirect("letters")


def _replay_runs(request: HttpRequest, code: str, form: QueryDict) -> tuple[int, list[str]]:
    reason = reason_clean(form.get("reason", ""))
    rows = letters.runs_dead(code)
    if only := form.get("only"):
        rows = rows.filter(pk__in=_ids(only))

    def act(run: Any) -> Callable[[], object]:
        actor = actor_of(request, run.tenant_id)
        return lambda: services.run_requeue(
            actor=actor, who=str(request.user), run_id=run.pk, reason=reason
        )

    return _each([(run.title, act(run)) for run in rows[: letters.REPLAYED_AT_ONCE]])


def _replay_webhooks(request: HttpRequest, code: str, form: QueryDict) -> tuple[int, list[str]]:
    del request
    rows = letters.webhooks_dead(code)
    if only := form.get("only"):
        rows = rows.filter(pk=only[:64])
    events = rows.values_list("pk", flat=True)[: letters.REPLAYED_AT_ONCE]

    def act(event: str) -> Callable[[], object]:
        return lambda: services.webhook_replay(event_id=event)

    return _each([(event, act(event)) for event in events])


def _each(acts: list[tuple[str, Callable[[], object]]]) -> tuple[int, list[str]]:
    """Do each act by itself: a refusal undoes only its own."""
    done, refusals = 0, []
    for name, act in acts:
        try:
            with transaction.atomic():
                act()
        except DomainError as refusal:
            refusals.append(f"{name}: {refusal.message}")
        else:
            done += 1
    return done, refusals


def _ids(text: str) -> list[uuid.UUID]:
    try:
        return [uuid.UUID(text)]
    except ValueError:
        return []


site.register(StripeEvent, StripeEventAdmin)
