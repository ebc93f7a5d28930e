"""The site's own web process, but for the plans: each allows a workspace 50 requests an hour.

No plan that is sold is so narrow that its limit does not refill while a test runs.
"""

from __future__ import annotations

from modelyard.asgi import application
from tenants.limits.allowance import Allowance, Allowances, allow_by

__all__ = ["application"]
allow_by(lambda _tenant_id: Allowances(tenant=Allowance(rate=50 / 3600, burst=50)))
