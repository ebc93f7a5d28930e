"""The truth behind the door's records: read from PostgreSQL when Valkey has none.

`door.predict` takes the caller as its `rebuild`; nothing else on a prediction's path queries.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext_lazy as _

from billing import entitlements, plans, usage
from modelyard.core.errors import Unauthenticated
from tenants import addresses, keys
from tenants.controls import suspension
from tenants.limits.limiter import Reading
from tenants.models import ApiKey
from tenants.scoping.context import tenant_scope
from training.serving import selectors
from training.serving.records import DeploymentEntry, KeyRecord


@dataclass(frozen=True)
class Caller:
    """Who knocks at the door, and the truth about them; implements `records.Rebuild`.

    Attributes:
        key_text: The API key as it was sent; '' for a signed-in member.
        tenant_id: The member's workspace; None for a key, whose tenant only its row knows.
        address: Whence they knock; '' when nobody can say.
        on_rate: Is told what the rate allows still, as the door found it.
    """

    key_text: str = ""
    tenant_id: uuid.UUID | None = None
    address: str = ""
    on_rate: Callable[[Reading], None] | None = None

    @property
    def digest(self) -> str:
        """The name of the caller's record."""
        if self.tenant_id is not None:
            return session_digest(self.tenant_id)
        return keys.digest(self.key_text)

    def tenant(self) -> uuid.UUID:
        """Return the caller's tenant; a query for a key.

        Raises:
            Unauthenticated: The key is unknown, expired or revoked.
            Forbidden: `tenant_suspended`.
        """
        return self.tenant_id or self._api_key().tenant_id

    def key(self, digest: str) -> KeyRecord:
        """Return the record of this caller.

        Raises:
            Unauthenticated: The key is unknown, expired or revoked.
        """
        if digest != self.digest:
            raise ValueError("the door asked for another caller's record")
        if self.tenant_id is not None:
            return _record(self.tenant_id, scopes=("predict",))
        found = self._api_key()
        return _record(
            found.tenant_id,
            scopes=tuple(found.scopes),
            expires_ms=_milliseconds(found.expires_at),
            key_id=str(found.pk),
            networks=tuple(addresses.prefix(network) for network in found.addresses),
        )

    def _api_key(self) -> ApiKey:
        found = suspension.key_find(self.key_text)
        if found is None:
            raise Unauthenticated(
                _("This API key is unknown, expired or revoked. Make a new one under API keys."),
                code="key_invalid",
            )
        return found

    def deployment(self, tenant_id: str, name: str) -> DeploymentEntry:
        """Return where the deployment runs.

        Raises:
            NotFound: The tenant has none of that name.
        """
        with tenant_scope(uuid.UUID(tenant_id)):
            row = selectors.deployment_get(name)
        return DeploymentEntry(
            deployment_id=str(row.pk),
            version_id=str(row.version_id),
            status=row.status,
            shard=row.shard,
        )


def session_digest(tenant_id: uuid.UUID) -> str:
    """Return the name of the record of a workspace's signed-in members.

    A digest of a key is 64 hex digits, so the two can't meet. Who may predict is checked by
    the page, at each request, from the membership.
    """
    return f"session:{tenant_id}"


def _milliseconds(moment: dt.datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)


def _record(tenant_id: uuid.UUID, **of_caller: Any) -> KeyRecord:
    allowed = entitlements.current(tenant_id)
    plan = allowed.plan
    return KeyRecord(
        tenant_id=str(tenant_id),
        period=allowed.period.name,
        quota=allowed.limits[plans.PREDICTIONS],
        used=usage.used(tenant_id, plans.PREDICTIONS, allowed.period),
        period_ends_ms=_milliseconds(allowed.until),
        rate=plan.rate,
        burst=plan.burst,
        key_rate=plan.rate * plans.KEY_SHARE,
        key_burst=int(plan.burst * plans.KEY_SHARE),
        **of_caller,
    )
