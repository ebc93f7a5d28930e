"""The one door for HTTP to addresses that a customer chose (imports by URL, webhooks).

Nothing behind the door reaches the platform's own network: see `addresses` for what is
refused and `client` for how a request is kept to the address that was checked.
"""

from modelyard.core.outbound.addresses import target_of
from modelyard.core.outbound.client import (
    MAX_BYTES,
    MAX_REDIRECTS,
    REDIRECTS,
    SECONDS,
    Answer,
    opened,
    sent,
)

__all__ = [
    "MAX_BYTES",
    "MAX_REDIRECTS",
    "REDIRECTS",
    "SECONDS",
    "Answer",
    "opened",
    "sent",
    "target_of",
]
