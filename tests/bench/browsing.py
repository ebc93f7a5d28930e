"""The data browser at a million rows: pages over HTTP by a web process that has the web role.

Its connection is under row-level security as a customer's is; sign-in, session, template and all
are in the times. Plans are what PostgreSQL itself says of the statements that ran.
"""

from __future__ import annotations

import re
import statistics
import time
import uuid
from dataclasses import dataclass, field

import httpx2
import psycopg2
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext

from modelyard.core import clock
from tenants.models import Tenant, User
from tenants.scoping.context import tenant_scope
from tests import million
from tests.bench.figures import machine, quantile, table
from tests.factories import owner_of, signed_in
from tests.factories_datasets import csv_of, import_file
from tests.site import stack
from tests.webserver import web_login, web_process
from training.datasets import checking, finding
from training.datasets.finding import Place
from training.datasets.models import Check, Dataset, Example, SearchIndex

FIRST_MS, SEARCH_MS, RATIO = 150, 300, 2.0
ROUNDS = 15
PAGE = 10_000
ROW = 64_004
"""One of the file, see `tests.million`; its number is a part of few texts."""
RARE = [("龘字很少见", "billing"), ("这是饕餮之宴", "delivery"), ("A quokka, said once", "praise")]
"""Rows that no other is like: what a search finds of them is one row in a million."""
_FLAGS = """
insert into datasets_flag (id, tenant_id, created_at, source_id, example_id, "group", keep, data)
select gen_random_uuid(), tenant_id, now(), %s, id, null, false, '{}'
from (select tenant_id, id, row_number() over (order by id) as n, count(*) over () as most
      from datasets_example where tenant_id = %s and dataset_id = %s) as numbered where """
FLAGGED = {"personal": "n %% 1000 = 7", "lengths": "n %% 2 = 1", "noise": "most - n < 20000"}
"""Checks, each with rows that it points at: few, half of all, all at the end."""


@dataclass
class Browsed:
    """What was measured: milliseconds by page, and each statement's plan by page."""

    ms: dict[str, list[float]] = field(default_factory=dict)
    plans: dict[str, str] = field(default_factory=dict)

    def median(self, name: str) -> float:
        """Return the middle time of a page."""
        return statistics.median(self.ms[name])


def browse(tenant: Tenant, dataset: Dataset) -> Browsed:
    """Ask for each page in turns, `ROUNDS` times, print the table, fetch the plans."""
    import_file(tenant, dataset, csv_of(RARE), "rare.csv")
    with tenant_scope(tenant.pk):
        assert SearchIndex.objects.get(dataset=dataset).status == "done"
        _flag(tenant, dataset)
        rows = Example.live.filter(dataset=dataset).order_by("pk")
        far = rows[finding.PAGE_ROWS * (PAGE - 1) - 1].pk
        flags = checking.flagged_by(dataset.pk, "lengths").order_by("example_id")
        middle = flags[finding.PAGE_ROWS * PAGE // 2].example_id
    word = million.row(ROW)[0][:12]
    pages: dict[str, dict[str, str]] = {
        "first page": {},
        f"page {PAGE:,}": {"after": str(far)},
        "search: 3 letters": {"q": "quo"},
        "search: a word and a number": {"q": word},
        "search: 1 Chinese character": {"q": "龘"},
        "search: 2 Chinese characters": {"q": "饕餮"},
        "check: 1 row of 1,000": {"flagged": "personal"},
        "check: half of the rows": {"flagged": "lengths"},
        "check: half, page 5,000": {"flagged": "lengths", "after": str(middle)},
        "check: the last rows only": {"flagged": "noise"},
        "check and label": {"flagged": "personal", "label": million.LABELS[1]},
    }
    found = Browsed()
    with web_process(LOG_LEVEL="WARNING") as web, _client(tenant, web.url) as client:
        path = f"/t/{tenant.slug}/datasets/{dataset.pk}/"
        for name, query in pages.items():
            _asked(client, path, query, name)
        for _round in range(ROUNDS):
            for name, query in pages.items():
                found.ms.setdefault(name, []).append(_asked(client, path, query, name))
    for name, query in pages.items():
        found.plans[name] = _plans(tenant, dataset, query)
    table(
        f"Pages of {rows_of(tenant, dataset):,} rows ({machine()})",
        ["page", "p50 ms", "p95 ms", "an index"],
        [
            [name, f"{found.median(name):.0f}", f"{quantile(times, 0.95):.0f}",
             ", ".join(sorted(set(re.findall(r"\bdatasets_\w+", _indexes(found.plans[name])))))]
            for name, times in found.ms.items()
        ],
    )  # fmt: skip
    return found


def check(found: Browsed) -> None:
    """Hold the figures against what is promised."""
    ratio = found.median(f"page {PAGE:,}") / found.median("first page")
    print(f"page {PAGE:,} against page 1: {ratio:.2f}")
    assert found.median("first page") < FIRST_MS
    assert ratio < RATIO
    for name, plan in found.plans.items():
        assert "Seq Scan on datasets_example" not in plan, (name, plan)
        assert "Seq Scan on datasets_searchrow" not in plan, (name, plan)
        assert "Seq Scan on datasets_flag" not in plan, (name, plan)
        if name.startswith("search"):
            assert "Index Scan on datasets_searchrow_text" in plan, (name, plan)
        if name.startswith("check"):
            assert "datasets_flag_" in _indexes(plan), (name, plan)
        if name.startswith(("search", "check")):
            assert found.median(name) < SEARCH_MS, name


def rows_of(tenant: Tenant, dataset: Dataset) -> int:
    """Return how many rows the dataset has."""
    with tenant_scope(tenant.pk):
        return Example.live.filter(dataset=dataset).count()


def _flag(tenant: Tenant, dataset: Dataset) -> None:
    now = clock.now()
    for kind, which in FLAGGED.items():
        facts = {"status": "done", "moved_at": now, "asked_at": now, "result": {"rows": 1},
                 "mark": checking.rows_mark(dataset.pk)}  # fmt: skip
        # The worker may have begun to check the rows, and ended with the import.
        made, _ = Check.objects.update_or_create(dataset=dataset, kind=kind, defaults=facts)
        made.flags.all().delete()
        with connection.cursor() as cursor:
            cursor.execute("set local statement_timeout = 0")
            cursor.execute(_FLAGS + which, [made.pk, tenant.pk, dataset.pk])


def _client(tenant: Tenant, url: str) -> httpx2.Client:
    user = User.objects.get(pk=uuid.UUID(owner_of(tenant).id))
    cookie = signed_in(user).cookies[settings.SESSION_COOKIE_NAME].value
    return httpx2.Client(base_url=url, cookies={settings.SESSION_COOKIE_NAME: cookie}, timeout=60)


def _asked(client: httpx2.Client, path: str, query: dict[str, str], name: str) -> float:
    """Return the milliseconds until a page is here; it has rows."""
    began = time.perf_counter()
    answer = client.get(path, params=query)
    took = (time.perf_counter() - began) * 1000
    assert answer.status_code == 200, (name, answer.status_code)
    assert "data-row-link" in answer.text, name
    return took


def _plans(tenant: Tenant, dataset: Dataset, query: dict[str, str]) -> str:
    """Return the plans of what a page asks for rows, as the web role, with what functions run."""
    after = uuid.UUID(query["after"]) if "after" in query else None
    filters = {name: value for name, value in query.items() if name != "after"}
    with CaptureQueriesContext(connection) as captured, tenant_scope(tenant.pk):
        finding.page_of(dataset.pk, filters, Place(after=after))
    wanted = ("datasets_example", "datasets_search(")
    ran = [one["sql"] for one in captured if any(word in one["sql"] for word in wanted)]
    with psycopg2.connect(_superuser()) as link, link.cursor() as cursor:
        cursor.execute("load 'auto_explain'")
        cursor.execute("set auto_explain.log_min_duration = 0")
        cursor.execute("set auto_explain.log_nested_statements = on")
        cursor.execute("set client_min_messages = log")
        cursor.execute("set local role modelyard_web")
        cursor.execute("select set_config('app.tenant_id', %s, true)", [str(tenant.pk)])
        link.notices.clear()
        for sql in ran:
            cursor.execute(sql)
        plans = "\n".join(link.notices)
    link.close()
    return plans


def _superuser() -> str:
    """Return the address of this test's database for who may load what shows nested plans."""
    secret = stack()._own_postgres().secrets.postgres_superuser
    host = web_login().rsplit("@", 1)[1]
    return f"postgres://postgres:{secret}@{host}"


def _indexes(plan: str) -> str:
    return " ".join(re.findall(r"(?:using|Bitmap Index Scan on) (\w+)", plan))
