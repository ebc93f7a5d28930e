"""Who acts on the controls."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from tenants.access import Actor


@dataclass(frozen=True)
class Operator:
    """A signed-in operator; the console has asked their role before it makes one.

    Attributes:
        user_id: The person.
        who: Their name as a workspace reads it.
        request_id: Of the console's request.
    """

    user_id: uuid.UUID
    who: str
    request_id: str = ""

    def acting_for(self, tenant_id: uuid.UUID) -> Actor:
        """Return the operator as the one who acts in a tenant's audit trail, without rights."""
        return Actor(
            kind="staff", id=str(self.user_id), tenant_id=tenant_id, request_id=self.request_id
        )
