"""A new person who came by an invitation's link joins as soon as the account is there."""

from __future__ import annotations

from typing import Any

import structlog
from allauth.account.models import EmailAddress
from allauth.account.signals import user_signed_up
from django.dispatch import receiver
from django.http import HttpRequest

from modelyard.core.errors import DomainError
from tenants.accounts import PROVEN_ADDRESS
from tenants.members import selectors
from tenants.members.services import invitations
from tenants.models import User

INVITED_BY = "invitation"
"""Session key of the token whose page was opened last."""
logger = structlog.get_logger(__name__)


def remember(request: HttpRequest, token: str) -> None:
    """Note that the browser's person holds the mail, and so the address."""
    request.session[INVITED_BY] = token
    request.session[PROVEN_ADDRESS] = selectors.invitation_find(token).email


@receiver(user_signed_up)
def join(*, request: HttpRequest, user: User, **_: Any) -> None:
    """Accept the invitation; what stands against it, the link's page says."""
    token = request.session.get(INVITED_BY)
    if not token or not EmailAddress.objects.filter(user=user, verified=True).exists():
        return
    try:
        invitations.invitation_accept(user=user, token=token)
    except DomainError as refusal:
        logger.info("invitation_not_accepted", code=refusal.code)
