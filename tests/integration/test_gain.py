"""What augmented rows are worth: measured with the real engine, offered only when it helps."""

from __future__ import annotations

import datetime as dt
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.db import connection
from django.test import Client

from billing import usage
from billing.models import Entry
from modelyard.core import clock
from modelyard.core.errors import Conflict, Invalid
from tenants.models import Tenant, User
from tenants.scoping.context import tenant_scope
from tests.factories import bearer, make_key, make_tenant, owner_of, signed_in
from tests.factories_datasets import csv_of, freeze, import_file, make_dataset
from tests.factories_runs import make_rows, make_tiny_base
from training.datasets import offers
from training.datasets import services as datasets
from training.datasets.models import DatasetVersion
from training.datasets.services import work
from training.datasets.services.sweeping import sweep
from training.loops import selectors, services
from training.loops.models import Gain
from training.loops.services import measuring
from training.loops.types import TRAININGS

pytestmark = pytest.mark.django_db(transaction=True)
DEEP = bool(os.environ.get("MODELYARD_DEEP"))
"""The long form stops after a training that was really done; the short one writes two by hand."""
HELPS = {"mean": 0.021, "low": 0.004, "high": 0.038, "verdict": "helps", "rows": 40}


@pytest.fixture(scope="session")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bases")
    make_tiny_base(folder / "tiny")
    return folder


@pytest.fixture(autouse=True)
def _quick(settings: Any, bases: Path) -> None:
    settings.ENGINE_BASES_DIR = str(bases)
    settings.RUN_HEARTBEAT_SECONDS = 0.2
    settings.RUN_LEASE_SECONDS = 10.0
    settings.RUN_THREADS = 1


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Leave the doorbell of measurements unrung; return who would have been rung for."""
    from modelyard.core import queue

    ring, found = queue.enqueue, list[str]()

    def enqueue(task: str, **ids: str) -> None:
        if task == "loops.measure":
            found.append(ids["gain_id"])
        else:
            ring(task, **ids)

    monkeypatch.setattr("modelyard.core.queue.enqueue", enqueue)
    return found


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


def augmented(tenant: Tenant, *, operations: tuple[str, ...] = ("swap",)) -> DatasetVersion:
    """Freeze a version of learnable rows whose train rows were augmented."""
    dataset = make_dataset(tenant)
    import_file(tenant, dataset, csv_of((row["text"], row["label"]) for row in make_rows(40)))
    return freeze(tenant, dataset.pk, augmentation={"operations": list(operations), "per_row": 1})


@pytest.fixture
def version(tenant: Tenant) -> DatasetVersion:
    return augmented(tenant)


@pytest.fixture
def page(tenant: Tenant) -> Client:
    return signed_in(User.objects.get(pk=owner_of(tenant).id))


def start(tenant: Tenant, version: DatasetVersion, base: str = "tiny") -> Gain:
    with tenant_scope(tenant.pk):
        return services.gain_start(actor=owner_of(tenant), version_id=version.pk, base=base)


def measure(gain: Gain) -> None:
    measuring.gain_measure(tenant_id=gain.tenant_id, gain_id=gain.pk)


def again(gain: Gain) -> Gain:
    with tenant_scope(gain.tenant_id):
        return Gain.objects.get(pk=gain.pk)


def charges(tenant: Tenant) -> dict[str, int]:
    with tenant_scope(tenant.pk):
        return dict(Entry.objects.filter(meter="train_ms").values_list("entry_id", "amount"))


def stored(count: int, better: int = 0) -> list[dict[str, Any]]:
    """Return the first trainings as a worker stores them; with augmented rows `better` rows."""
    found = []
    for one in TRAININGS[:count]:
        wrong = 12 - (better if one.augmented else 0)
        said = [1 - at % 2 if at < wrong else at % 2 for at in range(40)]
        found.append(
            {
                "key": one.key, "seed": one.seed, "augmented": one.augmented, "macro_f1": 0.5,
                "accuracy": 0.5, "train_ms": 10, "predicted": said,
            }
        )  # fmt: skip
    return found


def all_stored(gain: Gain, better: int) -> Gain:
    """Put the measurement where a worker leaves it that dies just before the end."""
    with tenant_scope(gain.tenant_id):
        Gain.objects.filter(pk=gain.pk).update(
            status="running", attempt=1, started_at=clock.now(), trainings=stored(6, better),
            lease_until=clock.now() - dt.timedelta(seconds=1),
            truth={"labels": 2, "true": [at % 2 for at in range(40)]},
        )  # fmt: skip
    return again(gain)


def two_stored(gain: Gain, version: DatasetVersion) -> Gain:
    """Put a measurement where it is after two trainings: stored, and charged."""
    trainings = stored(2)
    for one in trainings:
        one["predicted"] = one["predicted"][: version.split_counts["validation"]]
    with tenant_scope(gain.tenant_id):
        Gain.objects.filter(pk=gain.pk).update(trainings=trainings)
        for one in trainings:
            usage.record(
                tenant_id=gain.tenant_id, entry_id=f"gain:{gain.pk}:tiny:{one['key']}",
                meter="train_ms", amount=one["train_ms"], subject={},
            )  # fmt: skip
    return again(gain)


@pytest.fixture
def in_thread() -> Iterator[Callable[[Gain], threading.Thread]]:
    threads: list[threading.Thread] = []

    def go(gain: Gain) -> threading.Thread:
        def run() -> None:
            try:
                measure(gain)
            finally:
                connection.close()

        threads.append(threading.Thread(target=run))
        threads[-1].start()
        return threads[-1]

    yield go
    for thread in threads:
        thread.join(60)


def test_a_gain_is_measured_stopped_and_gone_on_with_and_each_training_is_charged_once(
    tenant: Tenant,
    version: DatasetVersion,
    page: Client,
    in_thread: Callable[[Gain], threading.Thread],
) -> None:
    at, key = f"/api/v1/versions/{version.pk}/gain", bearer(make_key(tenant))
    fragment = f"/t/{tenant.slug}/versions/{version.pk}/gain"
    client = Client()
    assert client.get(at, **key).status_code == 404
    assert "Measure the gain" in page.get(fragment).content.decode()

    answer = client.post(at, {"base": "tiny"}, "application/json", **key)
    assert (answer.status_code, answer.json()["status"]) == (201, "waiting"), answer.content
    with tenant_scope(tenant.pk):
        gain = Gain.objects.get()
    worker = in_thread(gain)
    end = time.monotonic() + 60
    while not (again(gain).trainings if DEEP else again(gain).status == "running"):
        assert time.monotonic() < end
        time.sleep(0.02)
    shown = page.get(fragment).content.decode()
    assert 'hx-trigger="every 2s"' in shown
    assert client.post(f"{at}/cancel", **key).json()["status"] == "cancelled"
    worker.join(30)
    assert not worker.is_alive()
    assert again(gain).status == "cancelled"
    assert len(charges(tenant)) == len(again(gain).trainings) < 6
    stopped = again(gain) if DEEP else two_stored(gain, version)
    assert "Go on measuring" in page.get(fragment).content.decode()

    assert client.post(at, {}, "application/json", **key).json()["base"] == "tiny"
    measure(gain)
    done = client.get(at, **key).json()
    assert (done["status"], done["percent"], done["error"]) == ("done", 100, None)
    assert again(gain).trainings[: len(stopped.trainings)] == [
        {name: value for name, value in one.items() if name != "predicted"}
        for one in stopped.trainings
    ]
    keys = {f"gain:{gain.pk}:tiny:{one.key}" for one in TRAININGS}
    assert charges(tenant).keys() == keys
    assert sum(charges(tenant).values()) == sum(one["train_ms"] for one in done["trainings"])
    result = done["result"]
    scores = {(one["seed"], one["augmented"]): one["macro_f1"] for one in done["trainings"]}
    real = (0, 1, 2) if DEEP else (1, 2)
    pairs = [scores[seed, True] - scores[seed, False] for seed in real]
    assert result["differences"][-len(real) :] == pytest.approx(pairs)
    assert result["mean"] == pytest.approx(sum(result["differences"]) / 3)
    assert result["low"] <= result["mean"] <= result["high"]
    assert result["rows"] == version.split_counts["validation"]
    assert f'data-gain-verdict="{result["verdict"]}"' in page.get(fragment).content.decode()

    before = again(gain)
    client.post(at, {}, "application/json", **key)
    measure(gain)
    assert again(gain).finished_at == before.finished_at
    assert charges(tenant).keys() == keys


def test_the_files_that_trainings_read_have_no_row_of_test_and_one_has_no_augmented_row(
    version: DatasetVersion, tmp_path: Path
) -> None:
    files = measuring.files_write(version.rows_key, tmp_path)
    augmented_rows = pq.read_table(files.augmented).to_pylist()
    real = pq.read_table(files.real).to_pylist()
    counts = version.split_counts
    assert {row["split"] for row in augmented_rows} == {"train", "validation"}
    assert len(real) == counts["train"] + counts["validation"]
    assert len(augmented_rows) == len(real) + version.augmented_rows
    assert [row for row in augmented_rows if row["parent"] is None] == real
    judged = [row["id"] for row in real if row["split"] == "validation"]
    assert [row["id"] for row in augmented_rows if row["split"] == "validation"] == judged
    assert sorted(path.name for path in tmp_path.iterdir()) == ["with.parquet", "without.parquet"]


def test_a_dead_workers_measurement_is_rung_for_taken_over_and_charged_no_second_time(
    tenant: Tenant, version: DatasetVersion, rung: list[str]
) -> None:
    gain = all_stored(start(tenant, version), better=11)
    dead: work.Claim[Gain] = work.Claim(gain)
    rung.clear()
    sweep()
    assert rung == [str(gain.pk)]
    measure(gain)
    done = again(gain)
    assert (done.status, done.result["verdict"]) == ("done", "helps")
    assert all("predicted" not in one for one in done.trainings)
    assert charges(tenant) == {}  # whoever stored them charged them in the same transaction
    with tenant_scope(tenant.pk), pytest.raises(work.WorkLost):
        dead.keep(done=1)


def test_one_that_was_started_again_is_not_written_to_by_the_worker_that_was_stopped(
    tenant: Tenant, version: DatasetVersion
) -> None:
    gain = start(tenant, version)
    first = work.claim(Gain, tenant_id=tenant.pk, row_id=gain.pk)
    with tenant_scope(tenant.pk):
        services.gain_cancel(actor=owner_of(tenant), version_id=version.pk)
    start(tenant, version)
    second = work.claim(Gain, tenant_id=tenant.pk, row_id=gain.pk)
    assert first is not None
    assert second is not None
    assert first.row.attempt == second.row.attempt == 1
    with tenant_scope(tenant.pk), pytest.raises(work.WorkLost):
        first.keep(done=1)
    with tenant_scope(tenant.pk):
        second.keep(done=2)


def test_nothing_is_measured_over_the_plan_without_augmented_rows_or_under_a_wrong_base(
    tenant: Tenant, version: DatasetVersion
) -> None:
    with pytest.raises(Invalid) as wrong:
        start(tenant, version, base="none")
    assert wrong.value.code == "base_unknown"
    plain = freeze(tenant, version.dataset_id)
    with pytest.raises(Invalid) as refused:
        start(tenant, plain)
    assert refused.value.code == "not_augmented"
    with tenant_scope(tenant.pk):
        usage.record(
            tenant_id=tenant.pk, entry_id="run:x", meter="train_ms", amount=10**9, subject={}
        )
    answer = Client().post(
        f"/api/v1/versions/{version.pk}/gain",
        {"base": "tiny"},
        "application/json",
        **bearer(make_key(tenant)),
    )
    assert (answer.status_code, answer.json()["code"]) == (402, "quota_exceeded")
    with tenant_scope(tenant.pk):
        assert not Gain.objects.exists()


def test_a_version_that_is_being_measured_is_not_deleted(
    tenant: Tenant, version: DatasetVersion
) -> None:
    start(tenant, version)
    with tenant_scope(tenant.pk):
        name = f"{version.dataset.name} v{version.number}"
    with tenant_scope(tenant.pk), pytest.raises(Conflict) as refused:
        datasets.version_delete(actor=owner_of(tenant), version_id=version.pk, name=name)
    assert refused.value.code == "version_in_use"
    assert "gain of v1" in refused.value.message


def test_a_refusal_of_the_engine_is_the_sentence_of_the_measurement(
    tenant: Tenant, version: DatasetVersion, page: Client
) -> None:
    gain = start(tenant, version)
    with tenant_scope(tenant.pk):
        DatasetVersion.objects.filter(pk=version.pk).update(rows_key="tenants/nothing/there")
    measure(gain)
    assert (again(gain).status, again(gain).error_code) == ("failed", "object_missing")
    shown = page.get(f"/t/{tenant.slug}/versions/{version.pk}/gain").content.decode()
    assert again(gain).error_data["sentence"] in shown
    assert "Measure the gain" in shown


def done_with(tenant: Tenant, version: DatasetVersion, **result: Any) -> None:
    with tenant_scope(tenant.pk):
        now, kept = clock.now(), dict(version.augmentation)
        kept.pop("words")
        Gain.objects.create(
            dataset_id=version.dataset_id, version=version, status="done", moved_at=now,
            finished_at=now, base="tiny", augmentation=kept, result={**HELPS, **result},
        )  # fmt: skip


def test_the_form_offers_what_was_measured_to_help_and_nothing_else(
    tenant: Tenant, version: DatasetVersion, page: Client
) -> None:
    form = f"/t/{tenant.slug}/datasets/{version.dataset_id}/versions"
    assert "data-offer" not in page.get(form).content.decode()
    done_with(tenant, version)
    shown = page.get(form).content.decode()
    assert "measured on v1: +2.1 points macro-F1 (95 % interval +0.4 to +3.8)" in shown
    assert 'value="swap" checked' in shown
    assert shown.count(" checked") == 3  # the grouping, the shares within labels, and swap

    typos = freeze(tenant, version.dataset_id, augmentation={"operations": ["typos"], "per_row": 1})
    done_with(tenant, typos, verdict="same", low=-0.01)
    assert 'data-offer="1"' in page.get(form).content.decode()

    swapped = freeze(
        tenant, version.dataset_id, augmentation={"operations": ["swap"], "per_row": 1}
    )
    done_with(tenant, swapped, verdict="hurts", high=-0.01)
    assert "data-offer" not in page.get(form).content.decode()


def test_an_augmentation_that_needs_words_is_not_offered_once_they_are_gone(
    tenant: Tenant,
) -> None:
    dataset = make_dataset(tenant)
    import_file(tenant, dataset, csv_of((row["text"], row["label"]) for row in make_rows()))
    with tenant_scope(tenant.pk):
        datasets.words_set(actor=owner_of(tenant), dataset_id=dataset.pk, text="film,movie")
    made = {"operations": ["dictionary"], "per_row": 1}
    done_with(tenant, freeze(tenant, dataset.pk, augmentation=made))
    with tenant_scope(tenant.pk):
        assert offers.augmentation_offer(dataset.pk) is not None
        datasets.words_set(actor=owner_of(tenant), dataset_id=dataset.pk, text="")
        assert offers.augmentation_offer(dataset.pk) is None
        assert selectors.offer_for(dataset.pk) is not None
