"""The platform's API as this command needs it: a key, tries again, refusals as sentences."""

from __future__ import annotations

import random
import time
from types import TracebackType
from typing import Any, Self

import httpx2

from yard import __version__
from yard.failures import Lost, Refused

TRIES = 8
LONGEST_PAUSE = 30.0
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


def pause(attempt: int) -> float:
    """Return the seconds to wait before try `attempt` + 1: they double, and differ a little."""
    return min(0.25 * 2.0**attempt, LONGEST_PAUSE) * random.uniform(0.75, 1.25)  # noqa: S311


class Api:
    """The API of one workspace; every call may be repeated without harm."""

    def __init__(self, url: str, key: str, *, tries: int = TRIES) -> None:
        """Keep address and key."""
        self.url = url.rstrip("/")
        self.tries = tries
        headers = {"Authorization": f"Bearer {key}", "User-Agent": f"yard/{__version__}"}
        self._http = httpx2.Client(base_url=f"{self.url}/api/v1/", headers=headers, timeout=60)
        self._store = httpx2.Client(timeout=httpx2.Timeout(60, write=120))

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        del kind, error, trace
        self._http.close()
        self._store.close()

    def get(self, path: str, **query: str) -> Any:
        """GET and return the decoded answer; raises as `post`."""
        return self._call("GET", path, params=query)

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """POST and return the decoded answer.

        Raises:
            Refused: With the platform's sentence and code.
            Lost: The platform can't be reached, or is down, for longer than the tries last.
        """
        return self._call("POST", path, json=body or {})

    def _call(self, method: str, path: str, **options: Any) -> Any:
        why = ""
        for attempt in range(self.tries):
            if attempt:
                time.sleep(pause(attempt))
            try:
                answer = self._http.request(method, path, **options)
            except httpx2.TransportError as error:
                why = str(error) or type(error).__name__
                continue
            if answer.status_code not in _AGAIN:
                return _checked(answer)
            why = _sentence(answer)
        raise Lost(f"{self.url} can't be reached: {why}")

    def put(self, url: str, content: Any, length: int) -> bool:
        """PUT a part to the store; tell whether it took it. False: ask for a new URL, try again."""
        try:
            answer = self._store.put(url, content=content, headers={"Content-Length": str(length)})
        except httpx2.TransportError:
            return False
        return answer.status_code == 200


def _checked(answer: httpx2.Response) -> Any:
    if answer.status_code >= 400:
        code = str(_problem(answer).get("code", f"http_{answer.status_code}"))
        raise Refused(_sentence(answer), code=code)
    try:
        return answer.json()
    except ValueError as error:
        raise Refused(
            f"{answer.url} answers, but is no Modelyard. Check YARD_URL.", code="not_modelyard"
        ) from error


def _problem(answer: httpx2.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _sentence(answer: httpx2.Response) -> str:
    problem = _problem(answer)
    sentence = str(problem.get("detail") or f"{answer.url} answers {answer.status_code}.")
    more = problem.get("upgrade_url")
    return f"{sentence} See {more}" if more else sentence
