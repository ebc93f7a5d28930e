"""Personal data in rows reaches no log line, no audit row and no task's arguments.

Values of every kind, English and Chinese, go the whole way: import with refused rows, checks,
masking with preview and undo, search, exports, and a crash of the parser and of a statement.
The logs are written as the platform writes them, at their lowest level.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from celery.signals import task_prerun
from django.db import DataError, connection

from modelyard.core import observe
from tenants.models import AuditEvent, Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import make_tenant, make_user, owner_of, signed_in
from tests.factories_datasets import import_file, make_dataset
from tests.stack import STATE
from tests.webserver import web_login
from training.datasets import checking, selectors, services
from training.datasets.formats.records import FileRefused
from training.datasets.models import Dataset
from training.datasets.services import child

pytestmark = pytest.mark.django_db(transaction=True)
VALUES = [
    "lena.quist@mail-example.org", "138-2345-6781", "4539 1488 0343 6467", "11010519491231002X",
    "203.0.113.77", "wang.fang88@youxiang-example.cn", "+86 139 1234 5675", "6222021234567890128",
]  # fmt: skip
TEXTS = [
    f"Please write to {VALUES[0]} or call {VALUES[1]} today",
    f"My card {VALUES[2]} was charged twice from {VALUES[4]}",
    f"我的身份证号码是{VALUES[3]}，请尽快核实",
    f"请发到邮箱 {VALUES[5]} 或者打电话 {VALUES[6]} 联系我",
    f"银行卡号 {VALUES[7]}，还没有收到退款",
]


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """Collect what is logged, as the platform writes it, at the lowest level."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    observe.configure(level="DEBUG", style="json")
    root.handlers[0].setStream(stream)  # type: ignore[attr-defined]
    try:
        yield stream
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def leaked(text: str) -> list[str]:
    """Return the values that a text has, or most of, with or without their separators."""
    bare = "".join(letter for letter in text if letter.isalnum())
    short = ("".join(letter for letter in one if letter.isalnum())[2:] for one in VALUES)
    return [one for one, part in zip(VALUES, short, strict=True) if one in text or part in bare]


def through_it_all(tenant: Tenant, dataset: Dataset, slug: str, client: Any) -> None:
    lines = [f'"{text}",ab' for text in TEXTS]
    # Rows that are refused with their value: a label too long, a quote, a field too many.
    lines += [f"short,{VALUES[0] * 9}", f'"{VALUES[1]}" x,ab', f"a,b,{VALUES[2]}"]
    lines += [f"a\x00{VALUES[5]},b"]
    upload = import_file(tenant, dataset, "\n".join(["text,label", *lines]).encode(), "a.csv")
    assert (upload.rows_added, upload.rows_rejected) == (len(TEXTS), 4)
    actor, page = owner_of(tenant), f"/t/{slug}/datasets/{dataset.pk}"
    with tenant_scope(tenant.pk):
        kinds = ["personal", "repeats", "noise"]
        services.checks_start(actor=actor, dataset_id=dataset.pk, kinds=kinds)
    with tenant_scope(tenant.pk):
        assert checking.flagged(dataset.pk, "personal").count() == len(TEXTS)
    assert VALUES[0] in client.get(f"{page}/", {"q": VALUES[0]}).content.decode()
    for query in ("health", "health/fix?kind=personal_mask", "?flagged=personal", "imports"):
        assert client.get(f"{page}/{query}").status_code == 200
    for name in ("csv", "jsonl"):
        with tenant_scope(tenant.pk):
            services.export_start(actor=actor, dataset_id=dataset.pk, name=name)
    client.post(f"{page}/health/apply", {"kind": "personal_mask"})
    client.post(f"{page}/health/undo")
    with tenant_scope(tenant.pk):
        assert [one.status for one in selectors.change_list(dataset.pk)] == ["undone"]


def test_no_value_of_a_row_is_in_a_log_an_audit_row_or_a_tasks_arguments(
    capfd: pytest.CaptureFixture[str],
) -> None:
    user = make_user()
    tenant = make_tenant(user)
    dataset, client = make_dataset(tenant), signed_in(user)
    asked: list[str] = []
    listen = task_prerun.connect(lambda **given: asked.append(repr(given)), weak=False)
    try:
        with logged() as log:
            through_it_all(tenant, dataset, tenant.slug, client)
    finally:
        task_prerun.disconnect(listen)
    printed = capfd.readouterr()
    with tenant_scope(tenant.pk):
        audit = repr(list(AuditEvent.objects.values()))
    assert len(asked) > 5
    assert "change.ordered" in audit
    assert log.getvalue()
    for where, text in [("log", log.getvalue()), ("audit", audit), ("tasks", "".join(asked)),
                        ("output", printed.out + printed.err)]:  # fmt: skip
        assert leaked(text) == [], where


def test_a_refused_statement_and_a_dead_parser_are_logged_without_the_row(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text(TEXTS[0])
    wrong = {"cpu_seconds": 5, "source": {"format": TEXTS[0], "encoding": "utf-8"}}
    with logged() as log:
        for said in ("Task datasets.import raised", "Task datasets.import raised: %r"):
            try:
                with connection.cursor() as cursor:
                    cursor.execute("select %s::integer", [TEXTS[1]])
            except DataError as error:
                words = (error,) if "%" in said else ()
                logging.getLogger("celery.app.trace").exception(said, *words)
        with pytest.raises(FileRefused):
            list(child.answers("rows", file, wrong))
    text = log.getvalue()
    assert "DataError: invalid input syntax for type integer" in text
    assert "parser_died" in text
    assert "KeyError" in text
    assert leaked(text) == []


def test_the_database_servers_log_has_no_statement_of_the_web_role() -> None:
    link = psycopg2.connect(web_login())
    with link.cursor() as cursor, pytest.raises(psycopg2.DataError):
        cursor.execute("select %s::integer", [TEXTS[0]])
    link.close()
    logs = [path.read_text(errors="replace") for path in STATE.rglob("*.log")]
    written = "".join(one for one in logs if "database system is ready" in one)
    assert written
    assert TEXTS[0] not in written
