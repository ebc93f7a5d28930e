"""Idempotency-Key on every mutating route: once, and the same answer.

The walk is derived from the OpenAPI document: a route that is added acts once under a key, or it
stands on the short list of those that don't, with its reason.
"""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx2
import pytest
from django.db import connection, transaction
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from modelyard.core import clock, ids, storage
from tenants import idempotency, keys, tasks
from tenants.api_base import MUTATING
from tenants.members.models import Invitation
from tenants.models import ApiKey, IdempotencyRecord, Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import bearer, make_key, make_tenant, owner_of, signed_in
from tests.factories_objects import make_everything
from training.datasets import services as datasets
from training.datasets.models import (
    Check,
    Dataset,
    DatasetExport,
    DatasetVersion,
    Example,
    Map,
    Pull,
    Upload,
)
from training.jobs.models import Run
from training.labeling.models import Annotation, Task
from training.loops.models import Gain

pytestmark = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True)
EXEMPT = {
    "deployments_predict": "the door has its own, in the step that meters (test_deployments.py)",
}


@dataclass
class Case:
    """One tenant with one of everything, and its owner's browser."""

    tenant: Tenant = field(default_factory=make_tenant)

    def __post_init__(self) -> None:
        self.known = make_everything(self.tenant)
        self.known["key_id"] = services_key(self.tenant).pk
        self.client = signed_in(self.tenant.memberships.get(role="owner").user)

    def call(self, method: str, path: str, body: object, key: str = "") -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        url = f"/t/{self.tenant.slug}{path}"
        call = getattr(self.client, method)
        return call(url, body, content_type="application/json", headers=headers)

    def post(self, path: str, body: object) -> Any:
        answer = self.call("post", f"/api/v1/{path}", body)
        assert answer.status_code < 400, (path, answer.content)
        return answer.json() if answer.content else None


def services_key(tenant: Tenant) -> ApiKey:
    text = make_key(tenant)
    return ApiKey.objects.get(public_id=keys.public_id_of(text))


# --- A good body for each route, and what must stand before it ----------------------------


def _leased(case: Case) -> dict[str, object]:
    with tenant_scope(case.tenant.pk):
        Annotation.objects.all().delete()
        Task.objects.update(status="open")
    case.post(f"labeling/projects/{case.known['project_id']}/lease", {"n": 1, "page": "p"})
    with tenant_scope(case.tenant.pk):
        return {"tasks": [str(Task.objects.get().pk)]}


def _answers(case: Case) -> dict[str, object]:
    (task,) = _leased(case)["tasks"]  # type: ignore[misc]
    return {"items": [{"task": task, "label": "good", "client_id": "c1"}]}


def _answered(case: Case) -> dict[str, object]:
    body = _answers(case)
    case.post(f"labeling/projects/{case.known['project_id']}/annotations", body)
    (item,) = body["items"]  # type: ignore[misc]
    return {"items": [{"task": item["task"], "client_id": "c1"}]}


def _rows(case: Case) -> dict[str, object]:
    """Enough labelled rows to freeze."""
    with tenant_scope(case.tenant.pk):
        dataset = Dataset.objects.get(pk=case.known["dataset_id"])
        Example.objects.update(label="a")
        Example.objects.bulk_create(
            Example(
                dataset=dataset, upload_id=case.known["upload_id"], line=number + 10,
                data={"text": f"text {number}"}, label="ab"[number % 2],
                content_hash=uuid.uuid4().hex, group_hash=uuid.uuid4().hex,
            )
            for number in range(40)
        )  # fmt: skip
    return {}


def _all_labelled(case: Case) -> dict[str, object]:
    with tenant_scope(case.tenant.pk):
        Annotation.objects.update(label="a")
    return _rows(case)


def _receiving(case: Case) -> dict[str, object]:
    path = f"datasets/{case.known['dataset_id']}/uploads"
    started = case.post(path, {"filename": "a.csv", "bytes": 24})
    case.known["upload_id"] = started["id"]
    return {"url": started["parts"][0]["url"]}


def _arrived(case: Case) -> dict[str, object]:
    url = str(_receiving(case)["url"])
    httpx2.put(url, content=b"text,label\nfine,a\nbad,b\n"[:24].ljust(24)).raise_for_status()
    return {}


def _inspected(case: Case) -> dict[str, object]:
    _arrived(case)
    upload_id = uuid.UUID(str(case.known["upload_id"]))
    actor = owner_of(case.tenant)
    datasets.upload_finish(actor=actor, upload_id=upload_id)
    datasets.inspect_run(tenant_id=case.tenant.pk, upload_id=upload_id)
    return {}


def _invited_a_while_ago(case: Case) -> dict[str, object]:
    with tenant_scope(case.tenant.pk):
        Invitation.objects.update(rung_at=clock.now() - dt.timedelta(hours=1))
    return {}


def _queued(case: Case) -> dict[str, object]:
    with tenant_scope(case.tenant.pk):
        Run.objects.update(status="queued", error_code="", error_message="")
    return {}


def _waiting_export(case: Case) -> dict[str, object]:
    with tenant_scope(case.tenant.pk):
        DatasetExport.objects.update(status="waiting")
    return {}


def _waiting_pull(case: Case) -> dict[str, object]:
    with tenant_scope(case.tenant.pk):
        Pull.objects.update(status="waiting")
    return {}


def _waiting_checks(case: Case) -> dict[str, object]:
    with tenant_scope(case.tenant.pk):
        Check.objects.update(status="waiting")
    return {}


def _freezing(case: Case) -> dict[str, object]:
    with tenant_scope(case.tenant.pk):
        DatasetVersion.objects.update(status="freezing")
    return {}


def _augmented(case: Case) -> dict[str, object]:
    with tenant_scope(case.tenant.pk):
        Gain.objects.all().delete()
        kept = {"operations": ["swap"], "per_row": 1, "templates": [], "words": {}}
        DatasetVersion.objects.update(augmented_rows=1, augmentation=kept)
    return {}


def _waiting_gain(case: Case) -> dict[str, object]:
    with tenant_scope(case.tenant.pk):
        Gain.objects.update(status="waiting")
    return {}


def _waiting_map(case: Case) -> dict[str, object]:
    with tenant_scope(case.tenant.pk):
        Map.objects.update(status="waiting")
    return {}


def _named_version(case: Case) -> dict[str, object]:
    with tenant_scope(case.tenant.pk):
        version = DatasetVersion.objects.get(pk=case.known["version_id"])
        return {"name": f"{version.dataset.name} v{version.number}"}


def _export(case: Case) -> dict[str, object]:
    case.known["export_id"] = case.post("exports", {})["id"]
    return {}


def _deletion(case: Case) -> dict[str, object]:
    case.post("deletion", {"name": case.tenant.name})
    return {}


def _and(ready: Callable[[Case], object], body: dict[str, object]) -> Callable[[Case], Any]:
    def both(case: Case) -> dict[str, object]:
        ready(case)
        return body

    return both


READY: dict[str, Callable[[Case], dict[str, object]]] = {
    "datasets_create": lambda _: {"name": "new"},
    "datasets_delete": lambda case: {"name": f"reviews of {case.tenant.slug}"},
    "uploads_start": lambda _: {"filename": "a.csv", "bytes": 10},
    "uploads_parts": _and(_receiving, {"numbers": [1]}),
    "uploads_finish": _arrived,
    "uploads_delete": _and(_receiving, {}),
    "uploads_abandon": _and(_receiving, {}),
    "uploads_inspect": _and(_inspected, {"header": True}),
    "uploads_import": _and(_inspected, {"text": "text", "label": "label"}),
    "versions_create": _rows,
    "versions_describe": lambda _: {"notes": "Winter only."},
    "versions_cancel": _freezing,
    "versions_delete": _named_version,
    "gains_start": _augmented,
    "gains_cancel": _waiting_gain,
    "words_set": lambda _: {"csv": "good,fine"},
    "changes_create": lambda _: {
        "kind": "tag",
        "params": {"selection": {"filters": {"label": "good"}}, "tag": "seen"},
    },
    "rows_add": lambda _: {"rows": [{"text": "a new one", "label": "good"}]},
    "checks_cancel": _waiting_checks,
    "maps_cancel": _waiting_map,
    "picks_create": lambda case: {"examples": [str(case.known["example_id"])]},
    "dataset_exports_create": lambda _: {"format": "csv"},
    "dataset_exports_cancel": _waiting_export,
    "connectors_create": lambda _: {
        "name": "news",
        "kind": "feed",
        "url": "https://example.com/feed.xml",
    },
    "pulls_cancel": _waiting_pull,
    "deployments_create": lambda case: {
        "name": "other",
        "version_id": str(case.known["model_version_id"]),
    },
    "runs_create": lambda case: {
        "dataset_version_id": str(case.known["version_id"]),
        "model_name": "next",
    },
    "runs_cancel": _queued,
    "keys_create": lambda _: {"name": "x", "scopes": ["read"]},
    "keys_change": lambda _: {"name": "y", "addresses": ["192.0.2.0/24"]},
    "labeling_projects_create": lambda case: {
        "dataset_id": str(case.known["dataset_id"]),
        "name": "second",
        "labels": ["good", "bad"],
        "labelled_too": True,
    },
    "labeling_lease": lambda _: {"n": 1, "page": "p"},
    "labeling_annotations": _answers,
    "labeling_renew": _leased,
    "labeling_skip": _leased,
    "labeling_undo": _answered,
    "labeling_freeze": _all_labelled,
    "labeling_suggestions_choose": lambda _: {"deployment": ""},
    "members_change": lambda _: {"role": "builder"},
    "invitations_create": lambda _: {"email": "new@corp.test", "role": "viewer"},
    "invitations_resend": _invited_a_while_ago,
    "exports_cancel": _export,
    "deletion_request": lambda case: {"name": case.tenant.name},
    "deletion_cancel": _deletion,
}
"""A body by operation, where `{}` will not do; whatever else it needs is made first."""


@cache
def operations() -> list[tuple[str, str, str]]:
    """Return (operation id, method, path) of every mutating route."""
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    return [
        (described["operationId"], method, path)
        for path, methods in paths.items()
        for method, described in methods.items()
        if method.upper() in MUTATING
    ]


def everything(tenant: Tenant) -> dict[str, str]:
    """Return a checksum of each table's rows of the tenant, its stored answers left out."""
    with connection.cursor() as cursor:
        cursor.execute(
            "select table_name from information_schema.columns c join pg_class p"
            " on p.relname = c.table_name and p.relkind = 'r' where column_name = 'tenant_id'"
            " and table_schema = 'public' and table_name <> 'tenants_idempotencyrecord'"
        )
        found = {}
        for (table,) in cursor.fetchall():
            with tenant_scope(tenant.pk):
                cursor.execute(
                    f"select count(*) || ':' || coalesce(md5(string_agg(t::text, ',' order by id)),"
                    f" '') from {table} t where tenant_id = %s",
                    [tenant.pk],
                )
                found[table] = cursor.fetchone()[0]
    return found


def acts_once(made: Case, operation: str, method: str, path: str) -> str:
    """Return what is wrong with a route, '' for nothing."""
    case = copy(made)
    case.known = dict(made.known)
    body = READY.get(operation, lambda _: {})(case)
    values = dict(case.known)
    if "model-versions/" in path:
        values["version_id"] = values["model_version_id"]
    address = path.format(**{name: str(value) for name, value in values.items()})
    first = case.call(method, address, body, "once")
    if first.status_code >= 400:
        return f"{operation}: give it a good body in READY: {first.content[:300]!r}"
    after = everything(case.tenant)
    again = case.call(method, address, body, "once")
    other = case.call(method, address, {**body, "other": 1}, "once")
    elsewhere = case.call("post", "/api/v1/datasets", {"name": "z"}, "once")
    faults = {
        "another answer": (first.status_code, first.content) != (again.status_code, again.content),
        "not said to be a replay": again.headers.get(idempotency.REPLAYED) != "true",
        "acts again": after != everything(case.tenant),
        "takes another body": (other.status_code, other.json()["code"])
        != (422, "idempotency_mismatch"),
        "takes another route": elsewhere.status_code != 422,
    }
    return f"{operation}: {[name for name, wrong in faults.items() if wrong]}" * any(
        faults.values()
    )


def test_every_mutating_route_of_the_openapi_document_acts_once_under_a_key() -> None:
    found = operations()
    assert len(found) >= 25
    assert len(EXEMPT) <= 3
    assert set(EXEMPT) | set(READY) <= {operation for operation, _method, _path in found}
    case, wrong = Case(), []
    for one in found:
        if one[0] not in EXEMPT:
            with transaction.atomic():  # undone, so that each finds the tenant as it was
                wrong.append(acts_once(case, *one))
                transaction.set_rollback(True)
    assert [fault for fault in wrong if fault] == []


# --- Twins ----------------------------------------------------------------------------------


def at_once(times: int, act: Callable[[], Any]) -> list[Any]:
    """Do something so often at the same time, each in a thread with its own connection."""

    def one(_number: int) -> Any:
        try:
            return act()
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


@committed
def test_fifty_at_once_with_one_key_have_one_effect_and_one_body() -> None:
    tenant = make_tenant()
    key = make_key(tenant)

    def send() -> tuple[int, bytes]:
        answer = Client().post(
            "/api/v1/datasets", {"name": "once"}, content_type="application/json",
            headers={"Idempotency-Key": "k"}, **bearer(key),
        )  # fmt: skip
        return answer.status_code, answer.content

    answers = at_once(50, send)
    assert len(set(answers)) == 1
    assert answers[0][0] == 201
    with tenant_scope(tenant.pk):
        assert Dataset.objects.count() == 1


@committed
def test_twins_of_a_long_lived_route_open_one_upload_and_leave_nothing_in_the_store() -> None:
    tenant = make_tenant()
    key = make_key(tenant)
    with tenant_scope(tenant.pk):
        dataset = datasets.dataset_create(actor=owner_of(tenant), name="d")

    def send() -> tuple[int, bytes]:
        answer = Client().post(
            f"/api/v1/datasets/{dataset.pk}/uploads", {"filename": "a.csv", "bytes": 10},
            content_type="application/json", headers={"Idempotency-Key": "k"}, **bearer(key),
        )  # fmt: skip
        return answer.status_code, answer.content

    answers = at_once(12, send)
    assert {status for status, _body in answers} == {201}
    assert len(set(answers)) == 1
    with tenant_scope(tenant.pk):
        (upload,) = Upload.objects.all()
    prefix = storage.tenant_key(tenant.pk, "uploads") + "/"
    found = storage.list_multiparts(prefix)
    assert [key for key, _upload_id in found] == [upload.storage_key]


# --- What is stored, and for how long -------------------------------------------------------


def send_key(client: Client, tenant: Tenant, name: str = "x", key: str = "k") -> Any:
    return client.post(
        f"/t/{tenant.slug}/api/v1/keys", {"name": name, "scopes": ["read"]},
        content_type="application/json", headers={"Idempotency-Key": key},
    )  # fmt: skip


def test_the_stored_answer_can_not_be_read_in_the_database() -> None:
    tenant = make_tenant()
    client = signed_in(tenant.memberships.get().user)
    first = send_key(client, tenant)
    text = first.json()["key"]
    assert send_key(client, tenant).json()["key"] == text
    with tenant_scope(tenant.pk):
        (record,) = IdempotencyRecord.objects.all()
    stored = bytes(record.sealed)
    assert text.encode() not in stored
    assert b"mdy_" not in stored
    assert ApiKey.objects.filter(tenant=tenant).count() == 1


def test_a_request_that_failed_leaves_nothing_and_may_be_sent_again() -> None:
    tenant = make_tenant()
    client = signed_in(tenant.memberships.get().user)
    url = f"/t/{tenant.slug}/api/v1/datasets"
    send = {"content_type": "application/json", "headers": {"Idempotency-Key": "k"}}
    assert client.post(url, {"name": " "}, **send).status_code == 422
    with tenant_scope(tenant.pk):
        assert not IdempotencyRecord.objects.exists()
    assert client.post(url, {"name": "good"}, **send).status_code == 201
    assert client.post(url, {"name": " "}, **send).json()["code"] == "idempotency_mismatch"


def test_the_same_key_of_two_workspaces_are_two_requests() -> None:
    first, second = make_tenant(), make_tenant()
    for tenant in (first, second):
        answer = send_key(signed_in(tenant.memberships.get().user), tenant)
        assert answer.status_code == 201
        assert idempotency.REPLAYED not in answer.headers


def test_a_key_that_is_too_long_and_a_body_that_is_too_large_are_refused() -> None:
    tenant = make_tenant()
    client = signed_in(tenant.memberships.get().user)
    assert send_key(client, tenant, key="k" * 256).json()["code"] == "idempotency_key_long"
    large = client.post(
        f"/t/{tenant.slug}/api/v1/keys", json.dumps({"name": "x" * 3 * 1024**2}),
        content_type="application/json", headers={"Idempotency-Key": "k"},
    )  # fmt: skip
    assert (large.status_code, large.json()["code"]) == (413, "too_large")
    form = client.post(
        f"/t/{tenant.slug}/api/v1/keys", {"name": "x"}, headers={"Idempotency-Key": "k"}
    )
    assert form.status_code == 415


@committed
def test_answers_are_forgotten_after_a_day() -> None:
    tenant = make_tenant()
    client = signed_in(tenant.memberships.get().user)
    first = send_key(client, tenant).json()
    tasks.idempotency_purge()
    assert send_key(client, tenant).json() == first
    day = dt.timedelta(hours=24, minutes=1)
    old = int((clock.now() - day).timestamp() * 1000) << 80 | ids.new().int & (1 << 80) - 1
    with tenant_scope(tenant.pk):
        IdempotencyRecord.objects.update(id=uuid.UUID(int=old))
    tasks.idempotency_purge()
    assert send_key(client, tenant).json()["id"] != first["id"]
    assert ApiKey.objects.filter(tenant=tenant).count() == 2
