"""A new customer, as a program: signs up through the page's form, then uses only the API.

The demo and the system tests are written on it, so both go the way that customers go.
"""

from __future__ import annotations

import email
import re
import secrets
import time
from collections.abc import Callable
from email import policy
from pathlib import Path
from typing import Any, Self

import httpx2

_TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="([^"]+)"')
_CODE = re.compile(r"^\s*(\d{6})\s*$", re.MULTILINE)
_SLUG = re.compile(r"/t/([^/]+)/")


class CallRefused(Exception):
    """The platform refused; `problem` is its problem document."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        """Keep status and document."""
        super().__init__(f"{status} {problem.get('code', '')}: {problem.get('detail', problem)}")
        self.status = status
        self.problem = problem


def _checked(answer: httpx2.Response) -> Any:
    if answer.status_code >= 400:
        try:
            problem = answer.json()
        except ValueError:
            problem = {"detail": answer.text[:300]}
        raise CallRefused(answer.status_code, problem)
    return answer.json() if answer.content else {}


class Account:
    """A signed-in person in a browser-like session."""

    def __init__(self, url: str) -> None:
        """Open a session with an empty cookie jar."""
        self.url = url
        self.http = httpx2.Client(base_url=url, follow_redirects=True, timeout=30)
        self.email = self.password = self.slug = ""

    @classmethod
    def sign_up(cls, url: str, *, email: str, mail: Path) -> Self:
        """Sign up through the form; the code is read from the mail folder `mail`."""
        account = cls(url)
        account.email, account.password = email, secrets.token_urlsafe(12)
        before = set(mail.glob("*")) if mail.exists() else set()
        page = account._post_form(
            "/accounts/signup/", {"email": email, "password1": account.password}
        )
        code = _wait_for_code(mail, before, email)
        page = account._post_form(str(page.url), {"code": code}, page)
        slug = _SLUG.search(str(page.url))
        if slug is None:
            raise CallRefused(page.status_code, {"detail": f"sign-up ended at {page.url}"})
        account.slug = slug.group(1)
        return account

    def _post_form(
        self, path: str, fields: dict[str, str], page: httpx2.Response | None = None
    ) -> httpx2.Response:
        page = page or self.http.get(path)
        token = _TOKEN.search(page.text)
        if token is None:
            raise CallRefused(page.status_code, {"detail": f"no form at {path}"})
        answer = self.http.post(
            path,
            data={**fields, "csrfmiddlewaretoken": token.group(1)},
            headers={"Referer": f"{self.url}{path}" if path.startswith("/") else path},
        )
        if answer.status_code >= 400:
            raise CallRefused(answer.status_code, {"detail": answer.text[:300]})
        return answer

    def create_key(self, *scopes: str) -> str:
        """Make an API key and return it."""
        page = self.http.get(f"/t/{self.slug}/keys/")
        token = _TOKEN.search(page.text)
        answer = self.http.post(
            f"/t/{self.slug}/api/v1/keys",
            json={"name": "demo", "scopes": list(scopes) or ["read", "write", "predict"]},
            headers={"X-CSRFToken": token.group(1) if token else "", "Referer": self.url},
        )
        return str(_checked(answer)["key"])


def _wait_for_code(mail: Path, before: set[Path], address: str) -> str:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        for path in sorted(set(mail.glob("*")) - before) if mail.exists() else []:
            message = email.message_from_bytes(path.read_bytes(), policy=policy.default)
            body = message.get_body(("plain",))
            found = _CODE.search(body.get_content()) if body is not None else None
            if found and address.lower() in str(message["To"]).lower():
                return found.group(1)
        time.sleep(0.1)
    raise CallRefused(0, {"detail": f"no mail with a code for {address} came to {mail}"})


class Api:
    """The public API with a key; every refusal is a `CallRefused`."""

    def __init__(self, url: str, key: str) -> None:
        """Keep address and key."""
        self.http = httpx2.Client(
            base_url=f"{url}/api/v1/", headers={"Authorization": f"Bearer {key}"}, timeout=60
        )

    def get(self, path: str, **query: Any) -> Any:
        """GET and return the decoded answer."""
        return _checked(self.http.get(path, params=query))

    def post(self, path: str, body: Any = None, *, key: str = "") -> Any:
        """POST `body` under an Idempotency-Key and return the decoded answer."""
        headers = {"Idempotency-Key": key or secrets.token_hex(12)}
        content = {} if body is None else body
        return _checked(self.http.post(path, json=content, headers=headers))

    def delete(self, path: str) -> Any:
        """DELETE and return the decoded answer."""
        return _checked(self.http.delete(path))

    def wait(
        self,
        path: str,
        done: frozenset[str],
        *,
        seconds: float = 300,
        every: float = 0.5,
        watch: Callable[[Any], None] = lambda _row: None,
    ) -> Any:
        """Poll `path` until its `status` is one of `done`; `watch` sees every answer.

        Raises:
            TimeoutError: It did not come to that in `seconds`.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            row = self.get(path)
            watch(row)
            if row["status"] in done:
                return row
            time.sleep(every)
        raise TimeoutError(f"{path} is still {row['status']} after {seconds:.0f} s")

    def upload(
        self, dataset: str, path: Path, watch: Callable[[int, int], None] = lambda _done, _all: None
    ) -> str:
        """Send a file straight to the object store in parts; return the upload's id."""
        total = path.stat().st_size
        started = self.post(f"datasets/{dataset}/uploads", {"filename": path.name, "bytes": total})
        upload = str(started["id"])
        signed = {part["number"]: part["url"] for part in started["parts"]}
        sent, number = 0, 0
        with path.open("rb") as stream:
            while chunk := stream.read(started["part_bytes"]):
                number += 1
                if number not in signed:
                    more = self.post(f"uploads/{upload}/parts", {"numbers": [number]})
                    signed |= {part["number"]: part["url"] for part in more["parts"]}
                httpx2.put(signed[number], content=chunk, timeout=120).raise_for_status()
                sent += len(chunk)
                watch(sent, total)
        self.post(f"uploads/{upload}/finish")
        return upload
