"""`modelyard staff EMAIL`: make somebody an operator, or take it back."""

from __future__ import annotations

import secrets
from argparse import ArgumentParser

import structlog
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db import transaction

from tenants.models import User

logger = structlog.get_logger(__name__)


class Command(BaseCommand):
    """Give access to the operators' console."""

    help = (
        "Make EMAIL an operator with a new password, shown this once. Also gives an operator "
        "a new password; --revoke takes the console away."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        parser.add_argument("email")
        parser.add_argument("--revoke", action="store_true", help="take the console away")

    def handle(self, *, email: str, revoke: bool, **_options: object) -> None:
        """Run.

        Raises:
            CommandError: The address is none, or nobody's.
        """
        address = email.strip().lower()
        try:
            validate_email(address)
        except ValidationError as error:
            raise CommandError(f"{email} is not an e-mail address.") from error
        if revoke:
            self._revoke(address)
        else:
            self._grant(address)

    def _grant(self, address: str) -> None:
        password = secrets.token_urlsafe(18)
        with transaction.atomic():
            user = User.objects.filter(email=address).first() or User(email=address)
            user.is_staff = True
            user.is_active = True
            user.set_password(password)
            user.save()
        logger.info("staff_granted", user=str(user.pk))
        self.stdout.write(f"{address} may use the operators' console at {settings.OPS_URL}")
        self.stdout.write(f"password (shown this once): {password}")

    def _revoke(self, address: str) -> None:
        changed = User.objects.filter(email=address, is_staff=True).update(
            is_staff=False, is_superuser=False
        )
        if not changed:
            raise CommandError(f"{address} is no operator.")
        logger.info("staff_revoked", changed=changed)
        self.stdout.write(f"{address} may no longer use the operators' console.")
