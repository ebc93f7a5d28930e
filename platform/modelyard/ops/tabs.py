"""Which tabs of the console an operator sees, and their counts (named in `settings.ops`)."""

from __future__ import annotations

from django.http import HttpRequest

from modelyard.ops import letters, roles
from tenants.controls import switches


def may_read_ledger(request: HttpRequest) -> bool:
    """Show the ledger to whoever minds money."""
    return roles.may(request.user, "ledger.read")


def may_read_webhooks(request: HttpRequest) -> bool:
    """Show Stripe's events to whoever minds money or the machines."""
    return roles.may(request.user, "webhooks.read")


def dead_letters(request: HttpRequest) -> str:
    """Return how many dead letters there are; '' for none."""
    del request
    return str(letters.count() or "")


def may_flag(request: HttpRequest) -> bool:
    """Show the flags to whoever sets them."""
    return roles.may(request.user, "flags.act")


def may_switch(request: HttpRequest) -> bool:
    """Show the switches to whoever throws them."""
    return roles.may(request.user, "switches.act")


def stopped(request: HttpRequest) -> str:
    """Return how many parts of the site are stopped; '' for none."""
    del request
    return str(len(switches.stopped()) or "")
