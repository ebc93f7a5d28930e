"""The stand-in as a WSGI application: the API with keys, the hosted pages without."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from billing.sandbox import forms, hosted, resources
from billing.sandbox.errors import Refused
from billing.sandbox.store import Body, Store

MOST_BYTES = 1 << 20
Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
_REASONS = {200: "OK", 303: "See Other", 400: "Bad Request", 401: "Unauthorized"}
_REASONS |= {402: "Payment Required", 404: "Not Found", 405: "Method Not Allowed"}
_REASONS |= {413: "Content Too Large"}
_HOSTED = re.compile(r"^/(checkout|portal)/([a-z0-9_]+)$")
_ROUTES = [(method, re.compile(f"^{path}$"), call) for method, path, call in resources.ROUTES]


@dataclass(frozen=True)
class Asked:
    """A request."""

    method: str
    path: str
    query: str
    body: str
    token: str
    idempotency_key: str


@dataclass(frozen=True)
class Answer:
    """A response."""

    status: int
    body: str
    kind: str = "application/json"
    location: str = ""


class Sandbox:
    """The application.

    Args:
        store: Its memory.
        url: Its address as browsers see it.
        key: The one API key it knows.
    """

    def __init__(self, store: Store, *, url: str, key: str) -> None:
        """Keep them."""
        self.store = store
        self.desk = resources.Desk(store, url.rstrip("/"))
        self.key = key

    def __call__(self, wsgi: Environ, start: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        try:
            answer = self.answer(_read(wsgi))
        except Refused as error:
            answer = _json(error.status, error.body())
        headers = [("Content-Type", f"{answer.kind}; charset=utf-8"), ("Cache-Control", "no-store")]
        if answer.location:
            headers.append(("Location", answer.location))
        start(f"{answer.status} {_REASONS[answer.status]}", headers)
        return [answer.body.encode()]

    def answer(self, asked: Asked) -> Answer:
        """Return the answer to a request.

        Raises:
            Refused: In Stripe's shape.
        """
        if asked.path == "/healthz":
            return _json(200, {"ok": True, "waiting": self.store.waiting()})
        if asked.path == "/style.css":
            return Answer(200, hosted.STYLE, "text/css")
        if found := _HOSTED.match(asked.path):
            return self._page(asked, *found.groups())
        if not hmac.compare_digest(asked.token.encode(), self.key.encode()):
            raise Refused("Invalid API Key provided.", status=401)
        return self._once(asked)

    def _page(self, asked: Asked, kind: str, name: str) -> Answer:
        stored = {"checkout": "checkout.session", "portal": "billing_portal.session"}[kind]
        render = hosted.checkout if kind == "checkout" else hosted.portal
        fields, status, problem = dict(parse_qsl(asked.body)), 200, ""
        try:
            with self.store.call():
                session = self.store.get(stored, name)
                if asked.method == "POST" and kind == "checkout":
                    onward = hosted.checkout_post(self.store, session, fields)
                    return Answer(303, "", "text/html", onward)
                if asked.method == "POST":
                    hosted.portal_post(self.store, session, fields)
                    return Answer(303, "", "text/html", asked.path)
        except Refused as error:
            status, problem = error.status, str(error)
        with self.store.call():
            found = self.store.find(name)
            if found is None or found["object"] != stored:
                page = hosted.page("Not found", "<h1>There is no such page</h1>")
                return Answer(404, page, "text/html")
            return Answer(status, render(self.store, found, problem), "text/html")

    def _once(self, asked: Asked) -> Answer:
        """Answer an API call; under an idempotency key the first answer stays."""
        key = asked.idempotency_key if asked.method == "POST" else ""
        text = f"{asked.method} {asked.path} {asked.body}"
        fingerprint = hashlib.sha256(text.encode()).hexdigest()
        with self.store.call():
            kept = self.store.answered(key, fingerprint) if key else None
            if kept is not None:
                return Answer(*kept)
            answer = _json(200, self._called(asked))
            if key:
                self.store.remember(key, fingerprint, answer.status, answer.body)
            return answer

    def _called(self, asked: Asked) -> Body:
        methods = set()
        for method, pattern, call in _ROUTES:
            found = pattern.match(asked.path)
            if found is not None and method == asked.method:
                params = forms.parse(asked.body if method == "POST" else asked.query)
                body = call(self.desk, params, *found.groups())
                paths = forms.rows(params, "expand")
                return dict(resources.shown(resources.expanded(self.store, body, paths)))
            if found is not None:
                methods.add(method)
        raise Refused(
            f"Unrecognized request URL ({asked.method}: {asked.path}).",
            status=405 if methods else 404,
        )


def _json(status: int, body: Body) -> Answer:
    return Answer(status, json.dumps(body))


def _token(header: str) -> str:
    scheme, _sep, value = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value).decode().partition(":")[0]
        except (binascii.Error, UnicodeDecodeError):
            return ""
    return value.strip()


def _read(wsgi: Environ) -> Asked:
    length = wsgi.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or int(length) > MOST_BYTES:
        raise Refused("The body is too large.", status=413)
    raw = wsgi["wsgi.input"].read(int(length))
    try:
        body = raw.decode()
    except UnicodeDecodeError as error:
        raise Refused("The body is not UTF-8.") from error
    return Asked(
        method=wsgi["REQUEST_METHOD"],
        path=wsgi["PATH_INFO"],
        query=wsgi.get("QUERY_STRING", ""),
        body=body,
        token=_token(wsgi.get("HTTP_AUTHORIZATION", "")),
        idempotency_key=wsgi.get("HTTP_IDEMPOTENCY_KEY", ""),
    )
