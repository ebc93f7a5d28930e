"""People, tenants, memberships, keys; a tenant's audit events and idempotency records.

The first four are directories: they are looked up before a tenant is known.
"""

from __future__ import annotations

from typing import ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils.translation import gettext_lazy as _

from modelyard.core import clock, ids
from tenants.scoping.manager import TenantOwned


class UserManager(BaseUserManager["User"]):
    """Makes people; addresses are kept in lower case, so that they are unique as read."""

    def create_user(self, email: str, password: str | None = None, **fields: object) -> User:
        """Create a person."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None) -> User:
        """Create an operator."""
        return self.create_user(email, password, is_staff=True, is_superuser=True)

    def get_by_natural_key(self, username: str | None) -> User:
        """Find by address, however it was typed."""
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """A person, known by e-mail address."""

    id = models.UUIDField(primary_key=True, default=ids.new, editable=False)
    email = models.EmailField(_("e-mail"), unique=True)
    name = models.CharField(_("name"), max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    date_joined = models.DateTimeField(auto_now_add=True)

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()

    def save(self, *args: object, **kwargs: object) -> None:
        """Keep the address in lower case."""
        self.email = self.email.strip().lower()
        super().save(*args, **kwargs)  # type: ignore[arg-type]

    def __str__(self) -> str:
        return self.name or self.email


class Tenant(models.Model):
    """A customer's workspace: everything below belongs to one."""

    class Status(models.TextChoices):
        """Whether it may work."""

        ACTIVE = "active", _("active")
        SUSPENDED = "suspended", _("suspended")

    id = models.UUIDField(primary_key=True, default=ids.new, editable=False)
    slug = models.SlugField(max_length=48, unique=True)
    name = models.CharField(max_length=120)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.ACTIVE)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name

    @property
    def is_active(self) -> bool:
        """Tell whether it may work."""
        return self.status == self.Status.ACTIVE


class Role(models.TextChoices):
    """What a member may do; `tenants.access` says what each may."""

    OWNER = "owner", _("owner")
    ADMIN = "admin", _("admin")
    BUILDER = "builder", _("builder")
    LABELER = "labeler", _("labeler")
    REVIEWER = "reviewer", _("reviewer")
    BILLING = "billing", _("billing")
    VIEWER = "viewer", _("viewer")


class Membership(models.Model):
    """A person's place in a tenant."""

    id = models.UUIDField(primary_key=True, default=ids.new, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role.choices)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["tenant", "user"], name="tenants_membership_once")
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.tenant} as {self.role}"


class ApiKey(models.Model):
    """A tenant's key: only a keyed hash is kept, the key itself is shown once.

    Keys that replaced one another share a `lineage`; at most two of it are live at a time.
    """

    id = models.UUIDField(primary_key=True, default=ids.new, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=80)
    public_id = models.CharField(max_length=8, unique=True)
    digest = models.CharField(max_length=64)
    scopes = ArrayField(models.CharField(max_length=16))
    addresses = ArrayField(models.CharField(max_length=43), default=list, blank=True)
    lineage = models.UUIDField(default=ids.new, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(User, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        indexes = [
            models.Index(fields=["tenant", "lineage"], name="tenants_apikey_lineage"),
            models.Index(
                fields=["revoked_at"],
                condition=models.Q(revoked_at__isnull=False),
                name="tenants_apikey_revoked",
            ),
            models.Index(fields=["expires_at"], name="tenants_apikey_expires"),
        ]

    def __str__(self) -> str:
        return f"{self.name} (mdy_{self.public_id}_…)"

    @property
    def is_live(self) -> bool:
        """Tell whether it works now, as far as the key itself says."""
        return self.revoked_at is None and (
            self.expires_at is None or self.expires_at > clock.now()
        )


class AuditEvent(TenantOwned):
    """Who did what to which thing; the web login may only add rows."""

    actor_kind = models.CharField(max_length=8)
    actor_id = models.CharField(max_length=64)
    action = models.CharField(max_length=64)
    object_kind = models.CharField(max_length=32)
    object_id = models.CharField(max_length=64)
    facts = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    request_id = models.CharField(max_length=40, blank=True)

    class Meta(TenantOwned.Meta):
        indexes = [models.Index(fields=["tenant_id", "-id"], name="tenants_audit_recent")]

    def __str__(self) -> str:
        return f"{self.actor_kind}:{self.actor_id} {self.action} {self.object_id}"


class IdempotencyRecord(TenantOwned):
    """What was answered under an Idempotency-Key, written in the transaction of the work.

    The answer is encrypted: a fresh key and addresses that open a file are among the answers.
    """

    key = models.CharField(max_length=255)
    route = models.CharField(max_length=255)
    request_hash = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    sealed = models.BinaryField(null=True)

    class Meta(TenantOwned.Meta):
        constraints = [
            models.UniqueConstraint(fields=["tenant_id", "key"], name="tenants_idempotency_key")
        ]

    def __str__(self) -> str:
        return f"{self.route} {self.key}"
