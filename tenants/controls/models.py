"""Suspensions, switches, flags, staff sessions, and what operators did to the whole site."""

from __future__ import annotations

import hashlib
import uuid

from django.contrib.postgres.fields import ArrayField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils.translation import gettext_lazy as _
from waffle.models import AbstractBaseFlag

from modelyard.core import ids
from tenants.models import Tenant
from tenants.scoping.manager import TenantOwned

PATH_LENGTH = 300
REASON_LENGTH = 300


class Suspension(TenantOwned):
    """A time in which the workspace is closed to its members and keys.

    Attributes:
        reason: Why, as the members read it.
        by: The operator's name.
        ended_at: None while it lasts.
    """

    reason = models.CharField(max_length=REASON_LENGTH)
    by = models.CharField(max_length=254)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=254, blank=True)
    ended_reason = models.CharField(max_length=REASON_LENGTH, blank=True)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id"],
                condition=models.Q(ended_at=None),
                name="controls_suspension_once",
            )
        ]

    def __str__(self) -> str:
        return self.reason


class StaffSession(TenantOwned):
    """An operator's look into a workspace as support: short, with a reason, never as a member.

    Attributes:
        user_id: The operator.
        who: Their name as the workspace reads it.
        link_digest: SHA-256 of the secret in the one-time link.
        cookie_digest: SHA-256 of the secret in the cookie; '' until the link was used.
        opened_at: When the link was used; it works once.
        ended_by: `button`, `time` or `revoked`.
        paths: Pages that were looked at, each with its line in the audit trail.
    """

    user_id = models.UUIDField()
    who = models.CharField(max_length=254)
    reason = models.CharField(max_length=REASON_LENGTH)
    may_write = models.BooleanField(default=False)
    expires_at = models.DateTimeField()
    link_digest = models.CharField(max_length=64)
    cookie_digest = models.CharField(max_length=64, blank=True)
    opened_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=8, blank=True)
    paths = ArrayField(models.CharField(max_length=PATH_LENGTH), default=list)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ended_by__in=["", "button", "time", "revoked"]),
                name="controls_staffsession_ended_by",
            )
        ]
        indexes = [
            models.Index(fields=["tenant_id", "-id"], name="controls_staffsession_recent"),
            models.Index(
                fields=["expires_at"],
                condition=models.Q(ended_at=None),
                name="controls_staffsession_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.who}: {self.reason}"


class Switch(models.Model):
    """A part of the site that operators can stop; no row is: it runs.

    Attributes:
        name: One of `switches.NAMES`.
        note: What people read beside our own sentence; the text of the maintenance banner.
    """

    name = models.CharField(primary_key=True, max_length=16)
    stopped = models.BooleanField(default=False)
    note = models.CharField(max_length=REASON_LENGTH, blank=True)
    changed_at = models.DateTimeField()
    changed_by = models.CharField(max_length=254)

    def __str__(self) -> str:
        return f"{self.name}: {'stopped' if self.stopped else 'runs'}"


class OperatorAct(models.Model):
    """What an operator did to the whole site; acts on one tenant stand in its own trail."""

    id = models.UUIDField(primary_key=True, default=ids.new, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    user_id = models.UUIDField()
    who = models.CharField(_("who"), max_length=254)
    action = models.CharField(_("action"), max_length=64)
    subject = models.CharField(_("subject"), max_length=100)
    reason = models.CharField(_("reason"), max_length=REASON_LENGTH)
    facts = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    request_id = models.CharField(max_length=40, blank=True)

    class Meta:
        verbose_name = _("site act")
        verbose_name_plural = _("site acts")

    def __str__(self) -> str:
        return f"{self.who} {self.action} {self.subject}"


class Flag(AbstractBaseFlag):
    """A feature that is on for some tenants (django-waffle's flag, aimed at tenants).

    On for `everyone`, or off for everyone (`False`), or else for the tenants listed and for
    `percent` of all: always the same ones.
    """

    # Not of people: waffle leaves out what is None.
    testing = None  # type: ignore[assignment]
    superusers = None  # type: ignore[assignment]
    staff = None  # type: ignore[assignment]
    authenticated = None  # type: ignore[assignment]
    languages = None  # type: ignore[assignment]
    rollout = None  # type: ignore[assignment]
    tenants: models.ManyToManyField[Tenant, FlagTenant] = models.ManyToManyField(
        Tenant, through="FlagTenant", related_name="flags"
    )

    class Meta:
        verbose_name = _("flag")
        verbose_name_plural = _("flags")

    @classmethod
    def get_from_db(cls, name: str) -> Flag:
        """Return the flag with its list, which is kept with it in the cache."""
        flag: Flag = super().get_from_db(name)
        flag.tenant_ids()
        return flag

    def is_active_for(self, tenant_id: uuid.UUID) -> bool:
        """Tell whether the tenant has the feature; a flag that nobody made is off."""
        if self.pk is None or self.everyone is not None:
            return bool(self.everyone)
        if tenant_id in self.tenant_ids():
            return True
        seed = hashlib.sha256(f"{self.name}:{tenant_id}".encode()).digest()
        return int.from_bytes(seed[:4]) / 2**32 * 100 < (self.percent or 0)

    def is_active(self, request: object, read_only: bool = False) -> bool:
        """Tell waffle's own tags and decorators: by the tenant of the request."""
        del read_only
        tenant = getattr(request, "tenant", None)
        return self.is_active_for(tenant.pk) if tenant is not None else bool(self.everyone)

    def tenant_ids(self) -> frozenset[uuid.UUID]:
        """Return the tenants listed."""
        kept: frozenset[uuid.UUID] | None = self.__dict__.get("listed")
        if kept is None:
            kept = frozenset(FlagTenant.objects.filter(flag=self).values_list("tenant", flat=True))
            self.__dict__["listed"] = kept
        return kept


class FlagTenant(models.Model):
    """That a flag is on for a tenant."""

    id = models.UUIDField(primary_key=True, default=ids.new, editable=False)
    flag = models.ForeignKey(Flag, on_delete=models.CASCADE, related_name="listings")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="flag_listings")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "flag"], name="controls_flagtenant_once")
        ]

    def __str__(self) -> str:
        return f"{self.flag} for {self.tenant}"
