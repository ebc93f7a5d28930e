"""The registry: numbering, names, artifacts that are verified both ways, pages and API."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from django.db import IntegrityError, connection
from django.test import Client

from modelyard.core import storage
from modelyard.core.errors import Conflict, Invalid, NotFound
from tenants.models import Membership, Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import bearer, make_key, make_tenant, owner_of, signed_in
from tests.factories_serving import make_version
from training.registry import artifacts, selectors, services
from training.registry.models import Model, ModelVersion
from training.registry.types import NewVersion

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def version(tenant: Tenant, tmp_path: Path) -> ModelVersion:
    return make_version(tenant, tmp_path / "made")


@pytest.fixture
def page(tenant: Tenant) -> Client:
    return signed_in(Membership.objects.get(tenant=tenant).user)


def test_versions_are_numbered_in_their_model_whatever_the_case_of_its_name(
    tenant: Tenant, tmp_path: Path
) -> None:
    first = make_version(tenant, tmp_path, model="Reviews")
    second = make_version(tenant, tmp_path, model="  reviews ")
    other = make_version(tenant, tmp_path, model="tickets")
    assert (first.number, second.number, other.number) == (1, 2, 1)
    assert first.model_id == second.model_id
    with tenant_scope(tenant.pk):
        assert sorted(Model.objects.values_list("name", flat=True)) == ["Reviews", "tickets"]


def test_a_run_registers_once(tenant: Tenant, version: ModelVersion) -> None:
    facts = NewVersion(
        model_name="reviews",
        run_id=version.run_id,
        dataset_version_id=version.dataset_version_id,
        artifact=artifacts.Artifact("x", "0" * 64, 1, ()),
        labels=("a", "b"),
        metrics={},
        spec={},
        base="b",
        engine_version="1",
    )
    with pytest.raises(IntegrityError), tenant_scope(tenant.pk):
        services.version_register(actor=owner_of(tenant), new=facts)
    with tenant_scope(tenant.pk):
        assert ModelVersion.objects.count() == 1


@pytest.mark.parametrize("name", ["", "  ", "x" * 81, "a\x00b"])
def test_a_model_needs_a_proper_name(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        services.model_name_clean(name)
    assert refused.value.code == "model_name"


def test_an_artifact_comes_back_as_it_went_in(version: ModelVersion, tmp_path: Path) -> None:
    facts = selectors.facts_of(version)
    target = tmp_path / "got"
    artifacts.artifact_download(facts, target)
    artifacts.artifact_download(facts, target)  # a second time is a check, not a fetch
    names = {path.name for path in target.iterdir()}
    assert names == {file["name"] for file in version.files} | {"manifest.json"}
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


@pytest.mark.parametrize("name", ["model.safetensors", "manifest.json"])
def test_a_changed_object_is_refused_and_leaves_no_folder(
    version: ModelVersion, tmp_path: Path, name: str
) -> None:
    key = f"{version.artifact_prefix}/{name}"
    storage.put_bytes(key, storage.get_bytes(key) + b" ")
    with pytest.raises(Conflict) as refused:
        artifacts.artifact_download(selectors.facts_of(version), tmp_path / "got")
    assert refused.value.code == "artifact_broken"
    assert not (tmp_path / "got").exists()


def test_a_missing_object_is_not_found(version: ModelVersion, tmp_path: Path) -> None:
    storage.delete_prefix(f"{version.artifact_prefix}/model.safetensors")
    with pytest.raises(NotFound):
        artifacts.artifact_download(selectors.facts_of(version), tmp_path / "got")
    assert not (tmp_path / "got").exists()


def test_a_broken_folder_is_never_uploaded(
    tenant: Tenant, version: ModelVersion, tmp_path: Path
) -> None:
    folder = tmp_path / "got"
    artifacts.artifact_download(selectors.facts_of(version), folder)
    (folder / "extra.bin").write_bytes(b"x")
    prefix = artifacts.prefix_for(tenant.pk, uuid.uuid4(), 1)
    with pytest.raises(Conflict):
        artifacts.artifact_upload(prefix=prefix, folder=folder)
    assert list(storage.list_keys(prefix)) == []


def test_the_api_lists_models_versions_and_files(tenant: Tenant, version: ModelVersion) -> None:
    client, key = Client(), bearer(make_key(tenant))
    models = client.get("/api/v1/models", **key).json()["data"]
    assert [row["name"] for row in models] == ["reviews"]
    versions = client.get(f"/api/v1/models/{version.model_id}/versions", **key).json()["data"]
    assert versions == [client.get(f"/api/v1/model-versions/{version.pk}", **key).json()]
    assert versions[0]["manifest_sha256"] == version.manifest_sha256
    files = client.get(f"/api/v1/model-versions/{version.pk}/files", **key).json()["files"]
    assert {"manifest.json", "model.safetensors"} <= {row["name"] for row in files}
    assert all("Signature" in row["url"] for row in files)
    archived = client.post(f"/api/v1/model-versions/{version.pk}/archive", **key)
    assert archived.json()["status"] == "archived"
    assert client.post(f"/api/v1/model-versions/{version.pk}/archive", **key).status_code == 200


def test_another_tenants_models_are_not_found(version: ModelVersion) -> None:
    key = bearer(make_key(make_tenant()))
    for path in (
        f"models/{version.model_id}",
        f"models/{version.model_id}/versions",
        f"model-versions/{version.pk}",
        f"model-versions/{version.pk}/files",
    ):
        assert Client().get(f"/api/v1/{path}", **key).status_code == 404, path
    assert Client().get("/api/v1/models", **key).json()["data"] == []


def test_the_pages_show_versions_lineage_and_files(
    tenant: Tenant, version: ModelVersion, page: Client
) -> None:
    listed = page.get(f"/t/{tenant.slug}/models/").content.decode()
    assert "reviews" in listed
    shown = page.get(f"/t/{tenant.slug}/models/{version.model_id}/").content.decode()
    assert "from_pretrained" in shown
    assert f"/runs/{version.run_id}/" in shown
    assert f"version={version.pk}" in shown
    file = page.get(f"/t/{tenant.slug}/model-versions/{version.pk}/files/config.json")
    assert (file.status_code, "Signature" in file["Location"]) == (302, True)
    assert page.get(f"/t/{tenant.slug}/model-versions/{version.pk}/files/no").status_code == 404


def test_another_tenants_dataset_version_cannot_be_the_lineage(
    tenant: Tenant, version: ModelVersion
) -> None:
    other = make_tenant()
    facts = NewVersion(
        model_name="m",
        run_id=uuid.uuid4(),
        dataset_version_id=version.dataset_version_id,
        artifact=artifacts.Artifact("x", "0" * 64, 1, ()),
        labels=(),
        metrics={},
        spec={},
        base="b",
        engine_version="1",
    )
    with pytest.raises(IntegrityError), tenant_scope(other.pk):
        services.version_register(actor=owner_of(other), new=facts)
    assert connection.is_usable()
