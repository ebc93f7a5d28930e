"""`python -m billing.sandbox --port 8002 --state stripe.sqlite --prices '[...]'`.

`STRIPE_SECRET_KEY` is the one key it answers to; with `--webhook URL` events go there, signed with
`STRIPE_WEBHOOK_SECRET`.
"""

from __future__ import annotations

import argparse
import json
import os
import socketserver
import sys
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from billing.sandbox import ledger, resources
from billing.sandbox.app import Sandbox
from billing.sandbox.delivery import Courier
from billing.sandbox.store import Store, fresh


class Server(socketserver.ThreadingMixIn, WSGIServer):
    """A thread a request."""

    daemon_threads = True
    request_queue_size = 64


class Quiet(WSGIRequestHandler):
    """Writes no line a request."""

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def seed_prices(store: Store, url: str, prices: list[dict[str, Any]]) -> None:
    """Make the products and prices that are not there yet; a changed amount is a new price."""
    desk = resources.Desk(store, url)
    for wanted in prices:
        every = store.every("price")
        same = [one for one in every if one["lookup_key"] == wanted["lookup_key"]]
        if same and same[0]["unit_amount"] == wanted["unit_amount"]:
            continue
        for old in same:
            store.put({**old, "lookup_key": None, "active": False})
        product = resources.product_create(desk, {"name": wanted["name"]})
        resources.price_create(
            desk,
            {
                "product": product["id"],
                "currency": wanted["currency"],
                "unit_amount": str(wanted["unit_amount"]),
                "recurring": {"interval": "month"},
                "lookup_key": wanted["lookup_key"],
            },
        )


def set_webhook(store: Store, url: str, secret: str) -> None:
    """Let events go to `url`, and only there of those that were set so before."""
    for old in store.every("webhook_endpoint", lambda one: one["description"] == "set at start"):
        store.remove(old["id"])
    store.put(
        {
            "id": fresh("we"), "object": "webhook_endpoint", "created": ledger.now(),
            "livemode": False, "status": "enabled", "url": url, "enabled_events": ["*"],
            "_secret": secret, "description": "set at start", "metadata": {},
        }
    )  # fmt: skip


def main(arguments: list[str]) -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(prog="python -m billing.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", default=":memory:", help="SQLite file (default: none is kept)")
    parser.add_argument("--prices", type=json.loads, default=[], help="JSON list of prices")
    parser.add_argument("--webhook", default="", help="where events go")
    chosen = parser.parse_args(arguments)
    url = f"http://localhost:{chosen.port}"
    store = Store(chosen.state)
    with store.call():
        seed_prices(store, url, chosen.prices)
        if chosen.webhook:
            set_webhook(store, chosen.webhook, os.environ["STRIPE_WEBHOOK_SECRET"])
    key = os.environ["STRIPE_SECRET_KEY"]
    with Server(("127.0.0.1", chosen.port), Quiet) as server:
        server.set_app(Sandbox(store, url=url, key=key))
        Courier(store).start()
        server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
