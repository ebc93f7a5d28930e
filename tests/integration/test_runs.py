"""Runs end to end in one process: the real engine as a child, PostgreSQL, Valkey, S3."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client

from billing.models import Entry
from modelyard.core import clock, errors, storage
from tenants.models import Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import bearer, make_key, make_tenant, owner_of
from tests.factories_runs import (
    SPEC,
    kinds,
    make_frozen_version,
    make_rows,
    make_tiny_base,
    reload,
    submit,
)
from training.datasets.models import DatasetVersion
from training.jobs import child as child_module
from training.jobs import leases, services, supervisor
from training.jobs.models import Run, RunEvent
from training.jobs.states import RunStatus
from training.jobs.types import Item, LeaseLost
from training.registry import artifacts
from training.registry import selectors as registry

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bases")
    make_tiny_base(folder / "tiny")
    return folder


@pytest.fixture(autouse=True)
def _quick(settings: pytest.FixtureRequest, bases: Path, tmp_path: Path) -> None:
    settings.ENGINE_BASES_DIR = str(bases)
    settings.RUN_WORK_DIR = tmp_path / "runs"
    settings.RUN_HEARTBEAT_SECONDS = 0.3
    settings.RUN_LEASE_SECONDS = 6.0
    settings.RUN_CHECKPOINT_SECONDS = 1.0
    settings.RUN_THREADS = 1


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the doorbell unrung: the test executes when it wants to."""
    monkeypatch.setattr("modelyard.core.queue.enqueue", lambda *_, **__: None)


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def version(tenant: Tenant, tmp_path: Path) -> DatasetVersion:
    return make_frozen_version(tenant, folder=tmp_path)


def execute(tenant: Tenant, run: Run) -> None:
    supervisor.execute(tenant_id=tenant.pk, run_id=run.pk)


def wait_until(true: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.1)


@pytest.fixture
def in_thread() -> Iterator[Callable[..., threading.Thread]]:
    threads: list[threading.Thread] = []

    def start(tenant: Tenant, run: Run) -> threading.Thread:
        def work() -> None:
            try:
                execute(tenant, run)
            finally:
                connection.close()

        thread = threading.Thread(target=work)
        threads.append(thread)
        thread.start()
        return thread

    yield start
    for thread in threads:
        thread.join(60)


def charges(tenant: Tenant) -> list[tuple[str, int]]:
    with tenant_scope(tenant.pk):
        return list(Entry.objects.filter(meter="train_ms").values_list("entry_id", "amount"))


def objects(tenant: Tenant) -> list[str]:
    return [row.key for row in storage.list_keys(f"tenants/{tenant.pk}/models/")]


def test_a_run_ends_with_one_model_one_artifact_and_one_charge_however_often_it_is_rung(
    tenant: Tenant, version: DatasetVersion, tmp_path: Path
) -> None:
    run = submit(tenant, version)

    assert (run.status, run.number) == (RunStatus.SUCCEEDED, 1), run.error_message
    assert charges(tenant) == [(f"run:{run.pk}", run.train_ms)]
    assert run.train_ms > 0
    with tenant_scope(tenant.pk):
        facts = registry.version_facts(run.output_version_id)
    assert (facts.title, facts.labels, facts.run_id) == ("reviews v1", ("bad", "good"), run.pk)
    assert facts.dataset_version_id == version.pk
    assert facts.metrics["macro_f1"] > 0.6
    assert 0 <= facts.metrics["baseline_macro_f1"] <= 1
    prefixes = {key.rsplit("/", 1)[0] for key in objects(tenant)}
    assert prefixes == {facts.artifact_prefix}
    seen = kinds(tenant, run)
    assert seen[:3] == ["state:queued", "state:starting", "state:running"]
    assert {"phase", "progress", "eval", "baseline", "state:saving"} <= set(seen)
    assert seen[-1] == "succeeded"
    artifacts.artifact_download(facts, tmp_path / "again")
    assert (tmp_path / "again" / "model.safetensors").is_file()
    assert not list((tmp_path / "runs").iterdir())

    execute(tenant, run)  # the same message, delivered again
    assert reload(tenant, run).attempt == 1
    assert kinds(tenant, run) == seen
    assert len(charges(tenant)) == 1


@pytest.mark.usefixtures("by_hand")
def test_a_cancelled_run_never_registers_a_model(
    tenant: Tenant, version: DatasetVersion, in_thread: Callable[..., threading.Thread]
) -> None:
    run = submit(tenant, version, epochs=100)
    thread = in_thread(tenant, run)
    wait_until(lambda: reload(tenant, run).step > 0)

    asked = services.run_cancel(actor=owner_of(tenant), run_id=run.pk)
    assert asked.status == RunStatus.CANCELLING
    thread.join(30)

    ended = reload(tenant, run)
    assert (ended.status, ended.output_version_id) == (RunStatus.CANCELLED, None)
    seen = kinds(tenant, run)
    assert "state:cancelling" in seen
    assert seen[-1] == "cancelled"
    assert charges(tenant) == []
    assert objects(tenant) == []
    assert services.run_cancel(actor=owner_of(tenant), run_id=run.pk).status == "cancelled"


@pytest.mark.usefixtures("by_hand")
def test_a_queued_run_is_cancelled_at_once_and_never_starts(
    tenant: Tenant, version: DatasetVersion
) -> None:
    run = submit(tenant, version)
    assert services.run_cancel(actor=owner_of(tenant), run_id=run.pk).status == "cancelled"
    execute(tenant, run)
    assert kinds(tenant, run) == ["state:queued", "cancelled"]


def test_rows_that_cannot_be_trained_on_fail_with_the_engines_sentence(
    tenant: Tenant, tmp_path: Path
) -> None:
    rows = make_rows(labels=("good", "good"))
    run = submit(tenant, make_frozen_version(tenant, rows, folder=tmp_path))

    assert run.status == RunStatus.FAILED
    assert run.error_code == "one_class"
    assert "label" in run.error_message
    assert kinds(tenant, run)[-1] == "failed"
    assert charges(tenant) == []


def test_missing_rows_fail_the_run_and_a_retry_queues_it_again(
    tenant: Tenant, version: DatasetVersion, tmp_path: Path
) -> None:
    storage.delete_prefix(version.rows_key)
    run = submit(tenant, version)
    assert (run.status, run.error_code) == (RunStatus.FAILED, "object_missing")

    other = make_frozen_version(tenant, folder=tmp_path)
    with tenant_scope(tenant.pk):
        DatasetVersion.objects.filter(pk=version.pk).update(rows_key=other.rows_key)
    services.run_retry(actor=owner_of(tenant), run_id=run.pk)

    again = reload(tenant, run)
    assert (again.status, again.attempt, again.starts) == (RunStatus.SUCCEEDED, 2, 1)
    assert again.error_code == ""
    with pytest.raises(errors.Conflict, match="succeeded"):
        services.run_retry(actor=owner_of(tenant), run_id=run.pk)


@pytest.mark.usefixtures("by_hand")
def test_a_worker_that_lost_its_lease_writes_nothing_more(
    tenant: Tenant, version: DatasetVersion
) -> None:
    run = submit(tenant, version)
    old = leases.claim(tenant_id=tenant.pk, run_id=run.pk, owner="first")
    assert old is not None
    _expire(tenant, run)
    assert services.run_reap() == 1
    new = leases.claim(tenant_id=tenant.pk, run_id=run.pk, owner="second")
    assert new is not None
    assert (old.attempt, new.attempt) == (1, 2)

    assert leases.beat(old) is None
    with pytest.raises(LeaseLost):
        leases.say(old, [Item("progress", {})], step=5)
    with pytest.raises(LeaseLost):
        leases.advance(old, RunStatus.RUNNING)
    with pytest.raises(LeaseLost):
        leases.fail(old, "diverged", "no", facts={})
    assert reload(tenant, run).step == 0
    assert leases.beat(new) == RunStatus.STARTING


@pytest.mark.usefixtures("by_hand")
def test_a_lease_lost_while_training_kills_the_child_and_leaves_no_artifact(
    tenant: Tenant,
    version: DatasetVersion,
    in_thread: Callable[..., threading.Thread],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[child_module.Child] = []
    original = child_module.Child.__init__

    def remember(self: child_module.Child, **arguments: object) -> None:
        original(self, **arguments)
        started.append(self)

    monkeypatch.setattr(child_module.Child, "__init__", remember)
    run = submit(tenant, version, epochs=100)
    thread = in_thread(tenant, run)
    wait_until(lambda: reload(tenant, run).step > 0)
    with tenant_scope(tenant.pk):
        Run.objects.filter(pk=run.pk).update(
            status="queued", lease_owner="", lease_until=None, queued_at=clock.now()
        )
    thread.join(30)

    assert not thread.is_alive()
    assert started[0].wait() < 0
    assert reload(tenant, run).status == RunStatus.QUEUED
    assert objects(tenant) == []


@pytest.mark.usefixtures("by_hand")
def test_a_killed_child_is_tried_again_from_its_checkpoint_and_at_last_given_up(
    tenant: Tenant,
    version: DatasetVersion,
    in_thread: Callable[..., threading.Thread],
    monkeypatch: pytest.MonkeyPatch,
    settings: pytest.FixtureRequest,
) -> None:
    settings.RUN_MAX_ATTEMPTS = 2
    started: list[child_module.Child] = []
    original = child_module.Child.__init__

    def remember(self: child_module.Child, **arguments: object) -> None:
        original(self, **arguments)
        started.append(self)

    monkeypatch.setattr(child_module.Child, "__init__", remember)
    run = submit(tenant, version, epochs=100)
    for attempt in (1, 2):
        thread = in_thread(tenant, run)
        wait_until(lambda n=attempt: len(started) == n and _trains(tenant, run, attempt=n))
        time.sleep(1.5 if attempt == 1 else 0)
        started[-1].kill()
        thread.join(30)
        if attempt == 1:
            folder = settings.RUN_WORK_DIR / str(run.pk)
            reached = max(folder.glob("1/checkpoint/step-*")).name
            assert reload(tenant, run).status == RunStatus.QUEUED
            assert not (folder / "1" / "rows.parquet").exists()
    ended = reload(tenant, run)

    with tenant_scope(tenant.pk):
        second = RunEvent.objects.filter(run=run, attempt=2, kind="progress").order_by("seq")
        resumed_at = second[0].payload["step"]
    assert resumed_at > int(reached.removeprefix("step-")) > 0
    assert (ended.status, ended.error_code) == (RunStatus.FAILED, "worker_lost")
    assert ended.attempt == 2
    assert "warning" in kinds(tenant, run)
    assert charges(tenant) == []


@pytest.mark.usefixtures("by_hand")
def test_the_reaper_requeues_then_gives_up_and_ends_what_was_being_cancelled(
    tenant: Tenant, version: DatasetVersion, settings: pytest.FixtureRequest
) -> None:
    settings.RUN_MAX_ATTEMPTS = 2
    run = submit(tenant, version)
    for expected in (RunStatus.QUEUED, RunStatus.FAILED):
        assert leases.claim(tenant_id=tenant.pk, run_id=run.pk, owner="gone") is not None
        assert services.run_reap() == 0
        _expire(tenant, run)
        assert services.run_reap() == 1
        assert reload(tenant, run).status == expected
    assert reload(tenant, run).error_code == "worker_lost"

    other = submit(tenant, version)
    leases.claim(tenant_id=tenant.pk, run_id=other.pk, owner="gone")
    services.run_cancel(actor=owner_of(tenant), run_id=other.pk)
    _expire(tenant, other)
    services.run_reap()
    assert reload(tenant, other).status == RunStatus.CANCELLED


@pytest.mark.usefixtures("by_hand")
def test_the_sweeper_rings_again_for_a_lost_message(
    tenant: Tenant, version: DatasetVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[str] = []
    monkeypatch.setattr("modelyard.core.queue.enqueue", lambda _, **ids: rung.append(ids["run_id"]))
    run = submit(tenant, version)
    assert rung == [str(run.pk)]
    assert services.run_sweep() == 0
    with tenant_scope(tenant.pk):
        Run.objects.update(queued_at="2026-01-01T00:00:00Z")
    assert services.run_sweep() == 1
    assert rung == [str(run.pk)] * 2


def test_a_stalled_training_is_stopped_with_a_sentence(
    tenant: Tenant, version: DatasetVersion, settings: pytest.FixtureRequest
) -> None:
    settings.RUN_STALL_SECONDS = 0.0
    run = submit(tenant, version, epochs=100)
    assert (run.status, run.error_code) == (RunStatus.FAILED, "stalled")


def test_training_stops_when_the_plans_time_is_used_up(
    tenant: Tenant, version: DatasetVersion, settings: pytest.FixtureRequest
) -> None:
    settings.RUN_MAX_SECONDS = 0.0
    run = submit(tenant, version, epochs=100)
    assert (run.status, run.error_code) == (RunStatus.FAILED, "time_limit")


def test_no_run_starts_without_training_time_left(tenant: Tenant, version: DatasetVersion) -> None:
    from billing import usage

    with tenant_scope(tenant.pk):
        usage.record(
            tenant_id=tenant.pk, entry_id="run:x", meter="train_ms", amount=10**9, subject={}
        )
    key = make_key(tenant)
    answer = Client().post(
        "/api/v1/runs",
        {"dataset_version_id": str(version.pk), "model_name": "m"},
        "application/json",
        **bearer(key),
    )
    assert answer.status_code == 402
    assert answer.json()["code"] == "quota_exceeded"
    assert answer.json()["meter"] == "train_ms"


@pytest.mark.usefixtures("by_hand")
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"model_name": " "}, "invalid"),
        ({"model_name": "x\n\x01y"}, "model_name"),
        ({"preset": "fast"}, "invalid"),
        ({"spec": {"epochs": 0}}, "spec_value"),
        ({"spec": {"epochs": "many"}}, "spec_value"),
        ({"spec": {"threads": 64}}, "spec_unknown_field"),
        ({"spec": {"base": "/etc"}}, "base_unknown"),
        ({"spec": {"base": ["tiny"]}}, "base_unknown"),
        ({"dataset_version_id": str(uuid.uuid4())}, "not_found"),
        ({"dataset_version_id": "7"}, "invalid"),
    ],
)
def test_wrong_orders_are_refused_with_a_sentence(
    tenant: Tenant, version: DatasetVersion, change: dict[str, object], code: str
) -> None:
    body = {"dataset_version_id": str(version.pk), "model_name": "m", **change}
    answer = Client().post("/api/v1/runs", body, "application/json", **bearer(make_key(tenant)))
    assert answer.status_code in {404, 422}
    assert answer.json()["code"] == code
    assert answer.json()["detail"]
    with tenant_scope(tenant.pk):
        assert not Run.objects.exists()


@pytest.mark.usefixtures("by_hand")
def test_the_api_orders_once_per_idempotency_key_lists_and_cancels(
    tenant: Tenant, version: DatasetVersion
) -> None:
    client, key = Client(), bearer(make_key(tenant))
    body = {
        "dataset_version_id": str(version.pk),
        "model_name": "m",
        "preset": "quick",
        "spec": SPEC,
    }
    once = client.post("/api/v1/runs", body, "application/json", HTTP_IDEMPOTENCY_KEY="a", **key)
    twice = client.post("/api/v1/runs", body, "application/json", HTTP_IDEMPOTENCY_KEY="a", **key)
    assert (once.status_code, twice.status_code) == (201, 201)
    assert once.json() == twice.json()
    run = once.json()
    assert (run["status"], run["percent"], run["spec"]["epochs"]) == ("queued", 0, 2)
    assert [row["id"] for row in client.get("/api/v1/runs", **key).json()["data"]] == [run["id"]]

    events = client.get(f"/api/v1/runs/{run['id']}/events", **key).json()
    assert [row["kind"] for row in events["events"]] == ["state"]
    assert events["final"] is False
    cancelled = client.post(f"/api/v1/runs/{run['id']}/cancel", **key)
    assert cancelled.json()["status"] == "cancelled"
    events = client.get(f"/api/v1/runs/{run['id']}/events?after=1", **key).json()
    assert ([row["kind"] for row in events["events"]], events["final"]) == (["cancelled"], True)
    refused = client.post(f"/api/v1/runs/{run['id']}/retry", **key)
    assert (refused.status_code, refused.json()["code"]) == (409, "run_state")
    report = client.get(f"/api/v1/runs/{run['id']}/report", **key)
    assert (report.status_code, report.json()["code"]) == (409, "no_report")


@pytest.mark.usefixtures("by_hand")
def test_another_tenants_run_is_not_found(tenant: Tenant, version: DatasetVersion) -> None:
    run = submit(tenant, version)
    key = bearer(make_key(make_tenant()))
    for path, method in (
        ("", "get"),
        ("/events", "get"),
        ("/report", "get"),
        ("/cancel", "post"),
        ("/retry", "post"),
    ):
        answer = getattr(Client(), method)(f"/api/v1/runs/{run.pk}{path}", **key)
        assert answer.status_code == 404, path


def _trains(tenant: Tenant, run: Run, *, attempt: int) -> bool:
    now = reload(tenant, run)
    return (now.attempt, now.status) == (attempt, "running") and now.step > 0


def _expire(tenant: Tenant, run: Run) -> None:
    with tenant_scope(tenant.pk):
        Run.objects.filter(pk=run.pk).update(lease_until="2026-01-01T00:00:00Z")
