"""Whatever the API is sent: an answer that the OpenAPI document announces, never a 5xx.

schemathesis makes the requests from the published document and applies all of its checks: once
with a key and ids that mostly do not exist, once as the owner, with ids of real things, so that
the requests get as far as the work. Seeded: a failure repeats (`MODELYARD_SEED`).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tenants.access import SCOPE_PERMISSIONS
from tests.factories import make_key, make_tenant, signed_in
from tests.integration.test_isolation import known
from tests.system.walking import CSRF
from tests.webserver import WebProcess, web_process

pytestmark = [
    pytest.mark.system,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(7200 if os.environ.get("MODELYARD_DEEP") else 1500),
]
DEEP = bool(os.environ.get("MODELYARD_DEEP"))
SEED = os.environ.get("MODELYARD_SEED", "4")
CASES = 10_000 if DEEP else 1_500
EXAMPLES = 70 if DEEP else 2
CONFIG = """
[generation]
allow-x00 = false  # in a text it is 400, which no JSON schema can say

[checks]
enabled = true  # all of them; said here, since --checks would count for more than what follows

[checks.positive_data_acceptance]
expected-statuses = [
    "2xx", "3xx", "400", "401", "402", "403", "404", "409", "413", "422", "429", "503",
]

# A revoked key stays in the list, and says when it was revoked: a log's lines still name it.
[[operations]]
include-operation-id = ["keys_get", "keys_revoke"]
checks.use_after_free.enabled = false

[parameters]
"""


@dataclass
class Fuzz:
    """A web process, and who sends requests to it."""

    web: WebProcess
    key: str
    session: str
    slug: str
    values: dict[str, object]
    folder: Path

    def document(self, *, keyless: bool) -> Path:
        """Return the published document; without its keys for who is signed in by cookie."""
        found = httpx2.get(f"{self.web.url}/api/openapi.json", timeout=30).json()
        for methods in found["paths"].values() if keyless else ():
            for operation in methods.values():
                del operation["security"]
        path = self.folder / f"openapi-{keyless}.json"
        path.write_text(json.dumps(found))
        return path

    def run(self, url: str, headers: dict[str, str], *more: str, fixed: bool) -> str:
        """Run schemathesis; return what it printed."""
        config = self.folder / f"fixed-{fixed}.toml"
        lines = [f'{name} = "{value}"' for name, value in self.values.items() if fixed]
        config.write_text("\n".join([CONFIG, *lines]))
        asked = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
        command += [str(self.document(keyless=fixed)), "--url", url]
        command += ["--seed", SEED, "--max-examples", str(EXAMPLES), "--workers", "2"]
        command += ["--no-color", "--continue-on-failure", "--warnings", "off", *asked, *more]
        done = subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=3500, check=False
        )
        print(f"seed {SEED}, {count_of(done.stdout)} cases at {url}")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def count_of(said: str) -> int:
    """Return how many cases were sent."""
    found = re.search(r"([\d,]+) generated", said)
    assert found is not None, said[-3000:]
    return int(found[1].replace(",", ""))


@pytest.fixture
def fuzz(transactional_db: None, tmp_path: Path) -> Iterator[Fuzz]:
    del transactional_db
    tenant = make_tenant(name="Fuzz")
    values = known(tenant)
    owner = signed_in(tenant.memberships.get(role="owner").user)
    key = make_key(tenant, sorted(SCOPE_PERMISSIONS))
    session = owner.cookies["session"].value
    with web_process() as web:
        yield Fuzz(web, key, session, tenant.slug, values, tmp_path)


def test_no_generated_request_gets_a_5xx_or_an_answer_that_is_not_announced(fuzz: Fuzz) -> None:
    owner = {"Cookie": f"session={fuzz.session}; csrf={CSRF}", "X-CSRFToken": CSRF}
    phases = ("--phases", "coverage,fuzzing,stateful" if DEEP else "coverage")
    by_owner = fuzz.run(f"{fuzz.web.url}/t/{fuzz.slug}", owner, *phases, fixed=True)
    by_key = fuzz.run(
        fuzz.web.url, {"Authorization": f"Bearer {fuzz.key}"}, "--phases", "fuzzing", fixed=False
    )
    assert count_of(by_key) + count_of(by_owner) >= CASES
    lines = fuzz.web.log.read_text().splitlines()
    broken = [line for line in lines if line.startswith("{") and json.loads(line).get("exception")]
    assert broken == []
