"""`modelyard staff add EMAIL --role ops`: make somebody an operator; list them; take it back."""

from __future__ import annotations

import secrets
from argparse import ArgumentParser

import structlog
from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db import ProgrammingError, transaction

from modelyard.ops import second_factor
from modelyard.ops.roles import Role, roles_of
from tenants.models import User

REFUSED = "42501"
"""PostgreSQL's code for a login that may not."""
logger = structlog.get_logger(__name__)


class Command(BaseCommand):
    """Give and take roles in the operators' console; only the schema's owner may."""

    help = (
        "add EMAIL --role support|billing|ops|superuser: make EMAIL an operator, with a new "
        "password, shown this once; role and password of an operator are replaced. "
        "revoke EMAIL: take the console away. list: who has it."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what the command takes."""
        acts = parser.add_subparsers(dest="act", required=True)
        add = acts.add_parser("add", help="make somebody an operator")
        add.add_argument("email")
        add.add_argument("--role", choices=Role.values, required=True)
        acts.add_parser("revoke", help="take the console away").add_argument("email")
        acts.add_parser("list", help="show who has which role")

    def handle(self, *, act: str, email: str = "", role: str = "", **_options: object) -> None:
        """Run.

        Raises:
            CommandError: The address is none, or nobody's, or the login may not.
        """
        if act == "list":
            self._list()
            return
        address = email.strip().lower()
        try:
            validate_email(address)
        except ValidationError as error:
            raise CommandError(f"{email} is not an e-mail address.") from error
        try:
            if act == "revoke":
                self._revoke(address)
            else:
                self._add(address, Role(role))
        except ProgrammingError as error:
            if getattr(error.__cause__, "pgcode", "") != REFUSED:
                raise
            raise CommandError(
                "Only the owner of the schema makes operators. Run this with DATABASE_URL set"
                " to the owner's login."
            ) from error

    def _add(self, address: str, role: Role) -> None:
        password = secrets.token_urlsafe(18)
        with transaction.atomic():
            user = User.objects.filter(email=address).first() or User(email=address)
            user.is_staff = user.is_active = True
            user.is_superuser = role == Role.SUPERUSER
            user.set_password(password)
            user.save()
            group = Group.objects.get_or_create(name=role)[0]
            user.groups.set([] if role == Role.SUPERUSER else [group])
            # Whoever runs this vouches for the address, so that it can sign in and enrol.
            EmailAddress.objects.update_or_create(
                user=user, email=address, defaults={"verified": True, "primary": True}
            )
        logger.info("staff_granted", user=str(user.pk), role=role)
        self.stdout.write(f"{address} may use the operators' console at {settings.OPS_URL}")
        self.stdout.write(f"role: {role}")
        if not second_factor.enrolled(user):
            place = f"{settings.SITE_URL}{second_factor.ENROL_PATH}"
            self.stdout.write(f"second factor: sign in and add an authenticator app at {place}")
        self.stdout.write(f"password (shown this once): {password}")

    def _revoke(self, address: str) -> None:
        with transaction.atomic():
            user = User.objects.filter(email=address, is_staff=True).first()
            if user is None:
                raise CommandError(f"{address} is no operator.")
            user.is_staff = user.is_superuser = False
            user.save(update_fields=["is_staff", "is_superuser"])
            user.groups.clear()
        logger.info("staff_revoked", user=str(user.pk))
        self.stdout.write(f"{address} may no longer use the operators' console.")

    def _list(self) -> None:
        for user in User.objects.filter(is_staff=True).order_by("email"):
            held = ", ".join(sorted(roles_of(user))) or "no role"
            factor = "second factor" if second_factor.enrolled(user) else "no second factor"
            self.stdout.write(f"{user.email}  {held}, {factor}")
