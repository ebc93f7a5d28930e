"""The account (which plan), the ledger (what was used), and what Stripe told us of."""

from __future__ import annotations

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils.translation import gettext_lazy as _

from billing import plans
from tenants.scoping.manager import TenantOwned


class Account(TenantOwned):
    """A tenant's plan; no row is the free plan, so that signing up needs no billing.

    From `stripe_customer` to `grace_until` it mirrors what Stripe last said.

    Attributes:
        period_start: Start of what is paid for.
        period_end: Its end: the next payment.
        ends_at: When the subscription ends by the customer's wish.
        grace_until: How long an unpaid plan still holds.
        asked: Number of the last question to Stripe about this account.
        answered: Number of the question whose answer stands here: an answer never replaces that
            of a later question.
    """

    class Status(models.TextChoices):
        """Whether it is paid for."""

        ACTIVE = "active", _("active")
        PAST_DUE = "past_due", _("past due")
        CANCELED = "canceled", _("canceled")

    plan = models.CharField(max_length=16, default=plans.FREE.name)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.ACTIVE)
    stripe_customer = models.CharField(max_length=64, null=True, blank=True)  # noqa: DJ001 - unique
    stripe_subscription = models.CharField(max_length=64, blank=True, default="")
    period_start = models.DateTimeField(null=True, blank=True)
    period_end = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    grace_until = models.DateTimeField(null=True, blank=True)
    asked = models.BigIntegerField(default=0, editable=False)
    answered = models.BigIntegerField(default=0, editable=False)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(fields=["tenant_id"], name="billing_account_once"),
            # Of all tenants: a customer is looked up before its tenant is known.
            models.UniqueConstraint(fields=["stripe_customer"], name="billing_account_customer"),
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


class LimitOverride(TenantOwned):
    """A limit that differs from the plan's, by agreement with an operator; kept as history.

    Attributes:
        limit: One of `plans.LIMITS`.
        value: The limit instead, in its unit; None is no limit.
        reason: Why, as the workspace reads it.
        by: The operator's name.
        expires_at: When it stops counting; None is never.
        ended_at: When somebody ended or replaced it.
    """

    limit = models.CharField(max_length=32)
    value = models.BigIntegerField(null=True)
    reason = models.CharField(max_length=300)
    by = models.CharField(max_length=254)
    expires_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=254, blank=True)
    ended_reason = models.CharField(max_length=300, blank=True)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.CheckConstraint(
                condition=models.Q(limit__in=sorted(plans.LIMITS)), name="billing_override_limit"
            ),
            models.CheckConstraint(
                condition=models.Q(value=None) | models.Q(value__gte=0),
                name="billing_override_not_negative",
            ),
            models.UniqueConstraint(
                fields=["tenant_id", "limit"],
                condition=models.Q(ended_at=None),
                name="billing_override_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.limit}: {self.value}"


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


class StripeEvent(models.Model):
    """An event of Stripe, stored once when it comes and processed by asking Stripe anew.

    A directory: it comes before its tenant is known.

    Attributes:
        id: Stripe's id, so that what is delivered twice is stored once.
        customer: Whom it is about; '' is nobody.
        error: Why it is not processed yet, or why nothing was to be done.
    """

    id = models.CharField(primary_key=True, max_length=64)
    type = models.CharField(max_length=80)
    customer = models.CharField(max_length=64, blank=True)
    received_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=80, blank=True)

    class Meta:
        indexes = [
            models.Index(
                fields=["received_at"],
                condition=models.Q(processed_at=None),
                name="billing_stripeevent_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.id} {self.type}"
