"""Whatever the API is sent: a refusal with a sentence, never a 500.

Requests are generated from the OpenAPI document (schemathesis) and sent with a real key to the
running platform. The generation is seeded, so a failure repeats.
"""

from __future__ import annotations

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from tests.site import RunningSite
from tests.system.customer import new_customer

pytestmark = [pytest.mark.system, pytest.mark.timeout(280)]
CASES = 12


def check(case: schemathesis.Case, site: RunningSite, key: str) -> None:
    answer = case.call(base_url=site.url, headers={"Authorization": f"Bearer {key}"}, timeout=20)
    told = (case.method, case.path, answer.status_code, answer.text[:500], case.body)
    assert answer.status_code != 500, told
    if answer.status_code >= 400:
        kind = answer.headers.get("content-type", [""])[0]
        assert kind.startswith("application/problem+json"), told
        assert answer.json()["detail"], told


def test_no_generated_request_gets_a_500(
    site: RunningSite, tmp_path_factory: pytest.TempPathFactory
) -> None:
    key = new_customer(site, tmp_path_factory.mktemp("fuzz")).key
    schema = schemathesis.openapi.from_url(f"{site.url}/api/openapi.json")
    sent = 0
    for found in schema.get_all_operations():
        operation = found.ok()

        @given(case=operation.as_strategy())
        @settings(
            max_examples=CASES,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def all_cases(case: schemathesis.Case) -> None:
            nonlocal sent
            sent += 1
            check(case, site, key)

        all_cases()
    assert sent >= 200
