"""How an invitation stands: a function of its row and the time; no task has to expire it."""

from __future__ import annotations

PENDING = "pending"
EXPIRED = "expired"
ACCEPTED = "accepted"
REVOKED = "revoked"
STATUSES = (PENDING, EXPIRED, ACCEPTED, REVOKED)
