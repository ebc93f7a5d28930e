"""One object of every kind in a tenant, for tests that walk all addresses."""

from __future__ import annotations

import datetime as dt
import uuid

from billing import plans, usage
from billing import services as billing
from billing.models import LimitOverride
from modelyard.core import clock, storage
from tenants import access
from tenants.controls.models import StaffSession, Suspension
from tenants.models import IdempotencyRecord, Tenant
from tenants.rights.models import Export, Retention
from tenants.scoping.context import tenant_scope
from tests.factories import owner_of
from tests.factories_members import make_invitation, make_place
from training.datasets.models import (
    Change,
    ChangeRow,
    Check,
    Comparison,
    ComparisonRow,
    Connector,
    Dataset,
    DatasetExport,
    DatasetVersion,
    Deletion,
    Example,
    Flag,
    Item,
    Map,
    Pick,
    Pull,
    SearchRow,
    Upload,
    VersionRow,
    WordList,
)
from training.jobs import recipes
from training.jobs.models import Run, RunEvent
from training.labeling.models import Annotation, Project, Suggestion, Task
from training.loops.models import Gain
from training.loops.types import TRAININGS
from training.registry.models import Model, ModelVersion
from training.serving.models import Deployment


def _dataset(tenant: Tenant) -> tuple[Dataset, Upload, Project, DatasetVersion, Change]:
    now = clock.now()
    dataset = Dataset.objects.create(name=f"reviews of {tenant.slug}")
    upload = Upload.objects.create(
        dataset=dataset, filename="a.csv", status="done", moved_at=now, bytes=10,
        storage_key=storage.tenant_key(tenant.pk, "uploads", "a.csv"),
    )  # fmt: skip
    example = Example.objects.create(
        dataset=dataset, upload=upload, line=2, data={"text": "fine"}, label="good",
        content_hash=uuid.uuid4().hex, group_hash=uuid.uuid4().hex,
    )  # fmt: skip
    change = Change.objects.create(
        dataset=dataset, kind="tag", status="done", actor="user:1", moved_at=now, rows=1,
        params={"selection": {"ids": [str(example.pk)]}, "tag": "seen"},
    )  # fmt: skip
    SearchRow.objects.create(id=example.pk, dataset=dataset, folded="fine")
    ChangeRow.objects.create(
        change=change, example=example, before={"tags": []}, after={"tags": ["seen"]}
    )
    check = Check.objects.create(
        dataset=dataset, kind="noise", status="done", moved_at=now, asked_at=now, rows_seen=1,
        result={"rows": 1, "kinds": {"empty": 1, "mojibake": 0, "html": 0}},
    )  # fmt: skip
    Flag.objects.create(source=check, example=example, data={"kinds": ["empty"]})
    project = Project.objects.create(
        dataset=dataset, name="queue",
        labels=[{"name": "bad", "key": "1"}, {"name": "good", "key": "2"}],
    )  # fmt: skip
    task = Task.objects.create(project=project, example=example, seq=1)
    Annotation.objects.create(
        task=task, author=f"user:{owner_of(tenant).id}", label="good", client_id=uuid.uuid4().hex
    )
    Suggestion.objects.create(
        task=task, version_id=uuid.uuid4(), source="tiny", label="good", score=0.9
    )
    version = DatasetVersion.objects.create(
        dataset=dataset, number=1, status="frozen", moved_at=now, rows=1, frozen_at=now,
        shares=[0.8, 0.1, 0.1], label_counts={"good": 1},
        split_counts={"train": 1}, content_hash="0" * 64,
        rows_key=storage.tenant_key(tenant.pk, "datasets", "rows.parquet"),
    )  # fmt: skip
    Map.objects.create(
        dataset=dataset, status="done", moved_at=now, points=1, rows=1, base="tiny", made_at=now,
        points_key=storage.tenant_key(tenant.pk, "datasets", "map.bin"), labels=[["good", 1]],
        areas=[{"rows": 1, "label": "good", "label_rows": 1, "differing": 0,
                "typical": str(example.pk)}],
    )  # fmt: skip
    Pick.objects.create(dataset=dataset, examples=[example.pk])
    VersionRow.objects.create(version=version, example=example, split="train")
    WordList.objects.create(dataset=dataset, entries={"fine": ["good"]})
    facts = {"text": "fine", "label": "good", "split": None}
    comparison = Comparison.objects.create(
        dataset=dataset, before=version, status="done", moved_at=now, counts={"added": 1},
        files_key=storage.tenant_key(tenant.pk, "comparisons", "x"),
    )  # fmt: skip
    ComparisonRow.objects.create(
        comparison=comparison, kind="added", seq=0, example_id=example.pk, after=facts
    )
    Gain.objects.create(
        dataset=dataset, version=version, status="done", moved_at=now, finished_at=now, base="tiny",
        augmentation={"operations": ["swap"], "per_row": 1, "templates": []},
        result={
            "mean": 0.0, "low": -0.1, "high": 0.1, "verdict": "same", "differences": [0.0] * 3,
            "rows": 1,
        },
        trainings=[
            {
                "key": one.key, "seed": one.seed, "augmented": one.augmented, "macro_f1": 0.5,
                "accuracy": 0.5, "train_ms": 1,
            }
            for one in TRAININGS
        ],
    )  # fmt: skip
    return dataset, upload, project, version, change


def _pull(dataset: Dataset) -> Pull:
    """Make a connector whose pull is over, with one item."""
    now = clock.now()
    connector = Connector.objects.create(
        dataset=dataset, kind="feed", name="news", schedule="daily", paused=True, next_at=now,
        config={"url": "https://news.example/feed", "max_pages": 10},
    )  # fmt: skip
    pull = Pull.objects.create(
        connector=connector, status="done", moved_at=now, started_at=now, finished_at=now,
        done=1, total=1,
        counts={"found": 1, "fetched": 0, "unchanged": 0, "skipped": {"no_article": 1}},
    )  # fmt: skip
    Item.objects.create(
        connector=connector, pull=pull, address="https://news.example/1", at=now,
        outcome="skipped", reason="no_article",
    )  # fmt: skip
    return pull


def _model(tenant: Tenant, version: DatasetVersion) -> ModelVersion:
    model = Model.objects.create(name="sentiment")
    return ModelVersion.objects.create(
        model=model, number=1, status="verified", dataset_version=version, run_id=uuid.uuid4(),
        artifact_prefix=storage.tenant_key(tenant.pk, "models", "x") + "/",
        manifest_sha256="0" * 64, bytes=1, labels=["bad", "good"], base="tiny", engine_version="1",
        files=[{"name": "config.json", "bytes": 1, "sha256": "0" * 64}],
    )  # fmt: skip


def _records(tenant: Tenant) -> Export:
    """Make what is written beside the work: ledger, stored answer, retention, an old export."""
    usage.record(
        tenant_id=tenant.pk, entry_id=f"req_{uuid.uuid4().hex}", meter=plans.PREDICTIONS,
        amount=1, subject={},
    )  # fmt: skip
    IdempotencyRecord.objects.create(
        key=uuid.uuid4().hex, route="POST /api/v1/datasets", request_hash="0" * 64, status=200
    )
    # What operators did, long ago: over, so that it changes nothing now.
    Suspension.objects.create(reason="a bill", by="op", ended_at=clock.now(), ended_by="op")
    StaffSession.objects.create(
        user_id=uuid.uuid4(), who="op", reason="help", expires_at=clock.now(),
        link_digest=uuid.uuid4().hex, ended_at=clock.now(), ended_by="time",
    )  # fmt: skip
    LimitOverride.objects.create(
        limit=plans.SEATS, value=9, reason="a trial", by="op", ended_at=clock.now(), ended_by="op"
    )
    Retention.objects.create(keep={"uploads": 90})
    export: Export = Export.objects.create(
        requested_by=f"user:{owner_of(tenant).id}",
        status="ready",
        finished_at=clock.now(),
        expires_at=clock.now() + dt.timedelta(days=7),
        storage_key=storage.tenant_key(tenant.pk, "exports", "x.zip"),
    )
    return export


def make_everything(tenant: Tenant) -> dict[str, object]:
    """Make one of each and return their ids by the names of the URL's parameters."""
    owner = owner_of(tenant)
    with tenant_scope(tenant.pk):
        # A plan with seats for the people below.
        billing.account_set_plan(actor=access.system(tenant.pk), plan="team")
        dataset, upload, project, version, change = _dataset(tenant)
        compared = Comparison.objects.get(before=version)
        trained = _model(tenant, version)
        spec = recipes.spec_build("balanced", {}).to_json()
        run = Run.objects.create(
            number=1, actor_kind="user", actor_id=owner.id, dataset_version=version,
            model_name="sentiment", spec=spec, status="failed", queued_at=clock.now(),
            error_code="no_rows", error_message="There are no rows.", last_seq=1,
        )  # fmt: skip
        RunEvent.objects.create(
            run=run,
            seq=1,
            attempt=1,
            kind="failed",
            payload={"code": "no_rows", "message": "There are no rows."},
        )
        deployment = Deployment.objects.create(
            name="sentiment", model=trained.model, version=trained, status="stopped",
            shard="0", moved_at=clock.now(),
        )  # fmt: skip
        export = _records(tenant)
        example_id = compared.comparison_rows.get().example_id
        pull = _pull(dataset)
        gone = Dataset.objects.create(name="gone", deleted_at=clock.now())
        deletion = Deletion.objects.create(dataset=gone, status="failed", moved_at=clock.now())
        rows_export = DatasetExport.objects.create(
            dataset=dataset, format="csv", filename="a.csv", status="done", actor="user:1",
            moved_at=clock.now(), rows=1, bytes=10, storage_key=upload.storage_key,
        )  # fmt: skip
    return {
        "export_id": export.pk,
        "rows_export_id": rows_export.pk,
        "dataset_id": dataset.pk,
        "connector_id": pull.connector_id,
        "pull_id": pull.pk,
        "project_id": project.pk,
        "upload_id": upload.pk,
        "change_id": change.pk,
        "deletion_id": deletion.pk,
        "version_id": version.pk,
        "comparison_id": compared.pk,
        "example_id": example_id,
        "run_id": run.pk,
        "model_id": trained.model.pk,
        "model_version_id": trained.pk,
        "name": deployment.name,
        "member_id": make_place(tenant).pk,
        "invitation_id": make_invitation(tenant, "guest@corp.test").pk,
    }
