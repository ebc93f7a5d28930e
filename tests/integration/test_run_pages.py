"""Pages of runs: order one in the browser, watch it, read its report beside the baseline."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test import AsyncClient, Client

from tenants.models import Membership, Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import make_tenant, make_user, owner_of, signed_in
from tests.factories_runs import make_frozen_version, make_tiny_base, reload, submit
from training.datasets.models import DatasetVersion
from training.jobs import leases, services
from training.jobs.models import Run
from training.jobs.types import Item

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bases")
    make_tiny_base(folder / "tiny")
    return folder


@pytest.fixture(autouse=True)
def _quick(settings: pytest.FixtureRequest, bases: Path, tmp_path: Path) -> None:
    settings.ENGINE_BASES_DIR = str(bases)
    settings.RUN_WORK_DIR = tmp_path / "runs"
    settings.RUN_THREADS = 1


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modelyard.core.queue.enqueue", lambda *_, **__: None)


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def page(tenant: Tenant) -> Client:
    return signed_in(Membership.objects.get(tenant=tenant).user)


@pytest.fixture
def version(tenant: Tenant, tmp_path: Path) -> DatasetVersion:
    return make_frozen_version(tenant, folder=tmp_path)


def test_a_run_is_ordered_watched_and_its_report_read(
    tenant: Tenant, version: DatasetVersion, page: Client
) -> None:
    base = f"/t/{tenant.slug}"
    form = page.get(f"{base}/runs/new?dataset={version.dataset_id}").content.decode()
    assert "96 rows to train on" in form
    assert "Balanced" in form
    answer = page.post(
        f"{base}/runs/new",
        {
            "version": str(version.pk),
            "model_name": "reviews",
            "preset": "quick",
            "base": "tiny",
            "max_length": "16",
            "learning_rate": "0.005",
        },
    )
    with tenant_scope(tenant.pk):
        run = Run.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"{base}/runs/{run.pk}/")
    assert run.status == "succeeded", run.error_message

    shown = page.get(answer["Location"]).content.decode()
    assert "Read the report" in shown
    assert shown.count('class="is-done"') == 5
    assert f"deployments/new?version={run.output_version_id}" in shown
    assert "reviews" in page.get(f"{base}/runs/").content.decode()
    report = page.get(f"{base}/runs/{run.pk}/report").content.decode()
    assert "Macro F1 " in report
    assert "Macro average" in report
    assert f"{run.summary['macro_f1']:.3f}" in report
    assert f"{run.summary['baseline_macro_f1']:.3f}" in report
    assert "reviews" in page.get(f"{base}/models/").content.decode()


@pytest.mark.usefixtures("by_hand")
def test_a_run_at_work_shows_percent_phase_time_left_and_events(
    tenant: Tenant, version: DatasetVersion, page: Client
) -> None:
    run = submit(tenant, version)
    url = f"/t/{tenant.slug}/runs/{run.pk}/"
    assert "number 1 in the queue" in page.get(url).content.decode()
    lease = leases.claim(tenant_id=tenant.pk, run_id=run.pk, owner="w")
    assert lease is not None
    leases.advance(lease, "running")
    leases.say(lease, [Item("phase", {"name": "training"})], phase="training")
    said = {"step": 30, "steps": 60, "loss": 0.5, "epoch": 1}
    leases.say(lease, [Item("progress", said)], step=30, steps=60, eta_seconds=100.0)

    shown = page.get(url).content.decode()
    assert "51%" in shown
    assert "step 30 of 60" in shown
    assert "1–2 min left" in shown
    assert "Cancel run" in shown
    assert page.get(f"{url}progress", headers={"HX-Request": "true"}).status_code == 200
    events = page.get(f"{url}events?after=3").json()
    assert [row["kind"] for row in events["events"]] == ["phase", "progress"]
    assert events["final"] is False
    assert page.get(f"{url}report").status_code == 302

    page.post(f"{url}cancel")
    assert reload(tenant, run).status == "cancelling"
    leases.cancel(lease)
    assert "This run was cancelled" in page.get(url).content.decode()


@pytest.mark.usefixtures("by_hand")
def test_a_failed_run_says_why_and_what_to_do(
    tenant: Tenant, version: DatasetVersion, page: Client
) -> None:
    run = submit(tenant, version)
    lease = leases.claim(tenant_id=tenant.pk, run_id=run.pk, owner="w")
    assert lease is not None
    leases.fail(lease, "worker_lost", "x", facts={"stderr": "Killed <b>"})
    url = f"/t/{tenant.slug}/runs/{run.pk}/"
    shown = page.get(url).content.decode()
    assert "most likely because it ran out of memory" in shown
    assert "smaller batch" in shown
    assert "Killed &lt;b&gt;" in shown
    assert page.post(f"{url}retry").status_code == 302
    assert reload(tenant, run).status == "queued"


@pytest.mark.usefixtures("by_hand")
def test_wrong_settings_come_back_as_sentences_in_the_form(
    tenant: Tenant, version: DatasetVersion, page: Client
) -> None:
    url = f"/t/{tenant.slug}/runs/new"
    good = {"version": str(version.pk), "model_name": "m", "preset": "quick"}
    for change, sentence in (
        ({"model_name": ""}, "required"),
        ({"epochs": "0"}, "greater than or equal to 1"),
        ({"learning_rate": "7"}, "learning_rate"),
        ({"version": "x"}, "valid choice"),
        ({"base": "/etc"}, "valid choice"),
    ):
        answer = page.post(url, {**good, **change})
        assert answer.status_code == 422, change
        assert sentence in answer.content.decode(), change
    with tenant_scope(tenant.pk):
        assert not Run.objects.exists()


def test_without_a_frozen_version_the_form_leads_to_the_datasets(
    tenant: Tenant, page: Client
) -> None:
    assert "No frozen dataset yet" in page.get(f"/t/{tenant.slug}/runs/new").content.decode()


@pytest.mark.usefixtures("by_hand")
def test_the_live_stream_sends_what_is_there_then_what_comes_and_ends(
    tenant: Tenant, version: DatasetVersion
) -> None:
    run = submit(tenant, version)
    user = Membership.objects.get(tenant=tenant).user

    async def watch() -> list[str]:
        client = AsyncClient()
        await client.aforce_login(user)
        answer = await client.get(
            f"/t/{tenant.slug}/runs/{run.pk}/events", headers={"Accept": "text/event-stream"}
        )
        assert answer["Content-Type"] == "text/event-stream"
        frames = []
        async for frame in answer.streaming_content:
            frames.append(frame.decode())
            if frames[-1].startswith("id: 1\n"):
                await asyncio.to_thread(stop)
        await sync_to_async(close)()
        return frames

    def close() -> None:
        connection.close()  # each thread's own

    def stop() -> None:
        services.run_cancel(actor=owner_of(tenant), run_id=run.pk)
        connection.close()

    frames = [frame for frame in asyncio.run(watch()) if frame != ": ping\n\n"]
    assert [frame.split("\n")[0] for frame in frames] == [
        "retry: 2000",
        "id: 1",
        "id: 2",
        "event: end",
    ]
    data = json.loads(frames[1].split("data: ")[1])
    assert (data["kind"], data["payload"]) == ("state", {"status": "queued"})


@pytest.mark.usefixtures("by_hand")
def test_strangers_get_not_found(tenant: Tenant, version: DatasetVersion) -> None:
    run = submit(tenant, version)
    stranger = signed_in(make_user())
    for path in ("", "progress", "events", "report"):
        answer = stranger.get(f"/t/{tenant.slug}/runs/{run.pk}/{path}")
        assert answer.status_code == 404, path
    other = make_tenant()
    member = signed_in(Membership.objects.get(tenant=other).user)
    for path in ("", "progress", "events", "report"):
        answer = member.get(f"/t/{other.slug}/runs/{run.pk}/{path}")
        assert answer.status_code == 404, path
