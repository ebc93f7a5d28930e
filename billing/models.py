"""The account (which plan) and the ledger (what was used)."""

from __future__ import annotations

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils.translation import gettext_lazy as _

from billing import plans
from tenants.scoping.manager import TenantOwned


class Account(TenantOwned):
    """A tenant's plan; no row is the free plan, so that signing up needs no billing."""

    class Status(models.TextChoices):
        """Whether it is paid for."""

        ACTIVE = "active", _("active")
        PAST_DUE = "past_due", _("past due")
        CANCELED = "canceled", _("canceled")

    plan = models.CharField(max_length=16, default=plans.FREE.name)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.ACTIVE)
    overrides = models.JSONField(default=dict, blank=True, encoder=DjangoJSONEncoder)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(fields=["tenant_id"], name="billing_account_once"),
            models.CheckConstraint(
                condition=models.Q(status__in=["active", "past_due", "canceled"]),
                name="billing_account_status",
            ),
            models.CheckConstraint(
                condition=models.Q(plan__in=sorted(plans.PLANS)), name="billing_account_plan"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.plan} ({self.status})"


class Entry(TenantOwned):
    """A line of the ledger: written once for each thing that was used, never changed.

    Attributes:
        entry_id: Whose use it is (`req_...` of a prediction, `run:<id>`): once a meter.
        amount: How much, in the meter's unit.
        at: When it was used, which decides its period.
        subject: Opaque ids for the reader: deployment, version, run, tokens.
    """

    entry_id = models.CharField(max_length=80)
    meter = models.CharField(max_length=32)
    amount = models.BigIntegerField()
    at = models.DateTimeField()
    subject = models.JSONField(default=dict, encoder=DjangoJSONEncoder)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(
                fields=["tenant_id", "entry_id", "meter"], name="billing_entry_once"
            ),
            models.CheckConstraint(
                condition=models.Q(amount__gte=0), name="billing_entry_not_negative"
            ),
        ]
        indexes = [
            models.Index(fields=["tenant_id", "meter", "at"], name="billing_entry_period"),
            models.Index(fields=["tenant_id", "-id"], name="billing_entry_recent"),
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.meter} for {self.entry_id}"
