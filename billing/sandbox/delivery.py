"""Signed webhooks: sent as soon as an event is written, again and again until one arrives.

The signature is Stripe's scheme `v1`: HMAC-SHA-256 of `<timestamp>.<body>` under the endpoint's
secret, made anew for each attempt.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import json
import threading
import time
from urllib.parse import urlsplit

from billing.sandbox.resources import shown
from billing.sandbox.store import Body, Store

POLL_SECONDS = 0.05
TIMEOUT_SECONDS = 10.0
LONGEST_WAIT_SECONDS = 60.0
ATTEMPTS = 60


def signature(secret: str, body: bytes, at: int) -> str:
    """Return the header `Stripe-Signature`."""
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={mac.hexdigest()}"


class Courier(threading.Thread):
    """Carries events to their endpoints, one at a time, in the background.

    Args:
        store: Where deliveries that are due stand.
    """

    def __init__(self, store: Store) -> None:
        """Prepare; `start()` sends it off."""
        super().__init__(name="courier", daemon=True)
        self.store = store

    def run(self) -> None:
        """Deliver what is due, forever."""
        while True:
            found = self.store.due()
            if found is None:
                time.sleep(POLL_SECONDS)
            else:
                self.carry(*found)

    def carry(self, event: str, endpoint: str, attempt: int) -> None:
        """Try one delivery; a failed one is due again after 0.2 s, 0.4 s, ... up to a minute."""
        with self.store.call():
            body, target = self.store.find(event), self.store.find(endpoint)
        if body is None or target is None or attempt >= ATTEMPTS or send(target, body):
            self.store.delivered(event, endpoint)
        else:
            self.store.postponed(event, endpoint, min(LONGEST_WAIT_SECONDS, 0.2 * 2**attempt))


def send(endpoint: Body, event: Body) -> bool:
    """Send one signed event; tell whether it was taken (2xx)."""
    body = json.dumps(shown(event)).encode()
    parts = urlsplit(endpoint["url"])
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_SECONDS)
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": signature(endpoint["_secret"], body, int(time.time())),
    }
    try:
        connection.request("POST", parts.path or "/", body, headers)
        return 200 <= connection.getresponse().status < 300
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
