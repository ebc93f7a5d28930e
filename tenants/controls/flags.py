"""Has this tenant this feature? The one question that the code asks of flags."""

from __future__ import annotations

import uuid

from tenants.controls.models import Flag
from tenants.models import Tenant


def flag_is_active(tenant: Tenant | uuid.UUID, name: str) -> bool:
    """Tell whether the feature is on for the tenant; one that nobody made is off.

    The answer is at most two seconds old (`settings.CACHES["flags"]`).
    """
    flag: Flag = Flag.get(name)
    return flag.is_active_for(tenant.pk if isinstance(tenant, Tenant) else tenant)
