"""Zips of images: in, seen, frozen, out again and gone, by the doors that customers use."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

import httpx2
import pyarrow.parquet as pq
import pytest
from django.test import Client
from django.urls import reverse
from PIL import Image

from modelyard.core import storage
from modelyard.core.errors import Conflict, DomainError, Invalid
from tenants.models import Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import (
    add_member,
    bearer,
    make_key,
    make_tenant,
    make_user,
    owner_of,
    signed_in,
)
from tests.factories_controls import override
from tests.factories_datasets import again, csv_of, freeze, import_file, make_dataset, send_file
from tests.factories_images import image, pets, photo, zip_of
from training.datasets import selectors, services
from training.datasets.formats import archives
from training.datasets.models import Dataset, Example, Upload
from training.jobs.services import run_submit
from training.labeling.services import project_create

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant(make_user())


def brought(tenant: Tenant, dataset: Dataset, content: bytes) -> Upload:
    return import_file(tenant, dataset, content, "pets.zip", text="file", label="folder")


def rows_of(tenant: Tenant, dataset: Dataset) -> list[Example]:
    with tenant_scope(tenant.pk):
        return list(Example.live.filter(dataset=dataset.pk).order_by("pk"))


def facts_of(tenant: Tenant, dataset: Dataset) -> set[tuple[str, str | None, str, tuple[str, ...]]]:
    return {
        (row.text, row.label, row.content_hash, tuple(row.tags)) for row in rows_of(tenant, dataset)
    }


def images_of(tenant: Tenant) -> list[str]:
    return [one.key for one in storage.list_keys(storage.tenant_key(tenant.pk, "images") + "/")]


def refused(upload: Upload) -> dict[str, str]:
    return {column: code for _line, column, code, _value, _detail in upload.rejects}


def test_folders_become_labels_and_files_of_every_kind_are_decoded_shown_and_stored(
    tenant: Tenant,
) -> None:
    files = {
        "pets/cat/a.jpg": image(1, "JPEG"),
        "pets/cat/b.png": image(2),
        "pets/dog/c.webp": image(3, "WEBP"),
        "pets/dog/d.gif": image(4, "GIF"),
        "pets/dog/e.bmp": image(5, "BMP"),
        "pets/f.jpeg": image(6, "JPEG"),
        "__MACOSX/pets/._a.jpg": b"x",
        "pets/.DS_Store": b"x",
        "pets/Thumbs.db": b"x",
    }
    dataset = make_dataset(tenant)
    actor = owner_of(tenant)
    upload = send_file(actor, dataset, zip_of(files), "pets.zip")
    assert (upload.status, upload.format) == ("mapping", "images")
    seen = upload.preview
    assert (seen["images"], seen["unlabelled"], seen["faults"]) == (6, 1, 0)
    assert sorted(map(tuple, seen["labels"])) == [("cat", 2), ("dog", 3)]
    assert [(one["text"], one["label"]) for one in seen["stored"]][:2] == [
        ("a.jpg", "cat"),
        ("b.png", "cat"),
    ]
    browser = signed_in(add_member(tenant, "admin"))
    page = reverse("datasets:map", args=[tenant.slug, dataset.pk, upload.pk])
    shown = browser.get(page).content.decode()
    assert shown.count("data:image/webp;base64,") == 6
    posted = browser.post(page, {"role_0": "text", "role_1": "label"})
    assert posted.status_code == 302
    upload = again(upload)
    assert (upload.status, upload.rows_added, upload.rows_rejected) == ("done", 6, 0)
    assert upload.dataset.task == "image_classification"
    rows = {row.text: row for row in rows_of(tenant, dataset)}
    assert {name: row.label for name, row in rows.items()} == {
        "a.jpg": "cat", "b.png": "cat", "c.webp": "dog", "d.gif": "dog", "e.bmp": "dog",
        "f.jpeg": None,
    }  # fmt: skip
    for name, kind in {"a.jpg": "JPEG", "b.png": "PNG", "c.webp": "WEBP", "d.gif": "PNG"}.items():
        about = rows[name].image
        assert about is not None
        stored = Image.open(io.BytesIO(storage.get_bytes(about["key"])))
        assert (stored.format, stored.size) == (kind, (40, 30))
    detail = reverse("datasets:detail", args=[tenant.slug, dataset.pk])
    listing = browser.get(f"{detail}?row={rows['a.jpg'].pk}").content.decode()
    assert listing.count("y-thumb") == 7
    body = (
        Client().get(f"/api/v1/datasets/{dataset.pk}/examples", **bearer(make_key(tenant))).json()
    )
    urls = [one["image"]["url"] for one in body["data"]]
    answer = httpx2.get(urls[0])
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("image/")


def test_place_and_camera_are_gone_and_the_image_stands_upright(tenant: Tenant) -> None:
    assert b"Telephone" in photo(1)
    assert b"secret place" in photo(1)
    dataset = make_dataset(tenant)
    side = image(2, "JPEG", comment=b"secret place")
    brought(tenant, dataset, zip_of({"a/1.jpg": photo(1), "a/2.jpg": side}))
    turned, kept = rows_of(tenant, dataset)
    for row, size in ((turned, (30, 40)), (kept, (40, 30))):
        about = row.image
        assert about is not None
        for key in (about["key"], about["key"] + ".thumb"):
            data = storage.get_bytes(key)
            assert not any(word in data for word in (b"Exif", b"Telephone", b"secret"))
            assert Image.open(io.BytesIO(data)).size == size
        assert (about["width"], about["height"]) == size
    about = kept.image
    assert about is not None
    pixels = Image.open(io.BytesIO(storage.get_bytes(about["key"]))).tobytes()
    assert pixels == Image.open(io.BytesIO(side)).tobytes()


def bomb() -> bytes:
    """Return a PNG of 3.6 thousand million pixels in some bytes."""

    def chunk(name: bytes, body: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + body))
        return struct.pack(">I", len(body)) + name + body + check

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(b"\0" * 1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + pixels + chunk(b"IEND", b"")


def test_each_bad_member_is_refused_by_name_and_reason_and_the_good_ones_come_in(
    tenant: Tenant,
) -> None:
    cut = image(2, "JPEG", size=(200, 200))
    files = {
        "a/good.png": image(1),
        "b/good.jpg": image(7, "JPEG"),
        "a/bomb.png": bomb(),
        "a/cut.jpg": cut[: len(cut) // 2],
        "a/cut.png": image(9)[:-30],
        "a/wrong.png": image(3, "JPEG"),
        "a/svg.png": b'<svg xmlns="http://www.w3.org/2000/svg"><script>x()</script></svg>',
        "a/page.jpg": b"<html><script>x()</script></html>",
        "a/empty.png": b"",
        "../out.png": image(4),
        "/etc/out.png": image(5),
        "C:\\out.png": image(6),
        "a/notes.docx": b"PK words",
        "a/inner.zip": pets(1),
        f"{'x' * 201}/long.png": image(8),
    }
    dataset = make_dataset(tenant)
    upload = brought(tenant, dataset, zip_of(files))
    assert (upload.status, upload.rows_added, upload.rows_rejected) == ("done", 2, 13)
    found = refused(upload)
    assert {name: code for name, code in found.items() if len(name) < 100} == {
        "a/bomb.png": "image_pixels",
        "a/cut.jpg": "image_broken",
        "a/cut.png": "image_broken",
        "a/wrong.png": "image_kind",
        "a/svg.png": "image_none",
        "a/page.jpg": "image_none",
        "a/empty.png": "image_empty",
        "../out.png": "image_path",
        "/etc/out.png": "image_path",
        "C:\\out.png": "image_path",
        "a/notes.docx": "image_none",
        "a/inner.zip": "image_none",
    }
    assert "label_too_long" in found.values()
    rejects = storage.get_bytes(upload.rejects_key).decode("utf-8-sig")
    assert 'a/wrong.png,"The name says PNG, and the content is JPEG.' in rejects
    assert sorted(row.text for row in rows_of(tenant, dataset)) == ["good.jpg", "good.png"]
    assert len(images_of(tenant)) == 4


def test_the_same_images_again_add_nothing_and_one_under_another_label_does(
    tenant: Tenant,
) -> None:
    dataset = make_dataset(tenant)
    brought(tenant, dataset, pets())
    before = images_of(tenant)
    second = brought(tenant, dataset, pets(more={"pets/fox/renamed.png": image(0)}))
    assert (second.rows_added, second.rows_repeated) == (1, 12)
    assert len(images_of(tenant)) == len(before) + 2
    with tenant_scope(tenant.pk):
        (finding,) = [
            one for one in selectors.finding_list(dataset.pk) if one.code == "conflicting_labels"
        ]
    assert "1 image has more than one label" in finding.sentence


def test_an_import_over_the_plan_leaves_no_row_and_no_image(tenant: Tenant) -> None:
    dataset = make_dataset(tenant)
    override(tenant, examples=10)
    upload = brought(tenant, dataset, pets())
    assert (upload.status, upload.error_code) == ("rejected", "quota_exceeded")
    assert rows_of(tenant, dataset) == []
    assert images_of(tenant) == []
    with tenant_scope(tenant.pk):
        text = services.rows_add(
            actor=owner_of(tenant), dataset_id=dataset.pk, rows=[{"text": "now of texts"}]
        )
    assert text.added == 1


def test_images_and_texts_do_not_mix_and_what_is_for_texts_says_so(tenant: Tenant) -> None:
    texts, images, actor = make_dataset(tenant), make_dataset(tenant), owner_of(tenant)
    import_file(tenant, texts, csv_of([("a text", "good")]))
    brought(tenant, images, pets())
    wrong = send_file(actor, texts, pets(), "pets.zip")
    assert (wrong.status, wrong.error_code) == ("rejected", "images_for_texts")
    wrong = send_file(actor, images, csv_of([("a text", "good")]))
    assert (wrong.status, wrong.error_code) == ("rejected", "texts_for_images")
    wrong = send_file(actor, make_dataset(tenant), zip_of({"a/1.png": b"none"}), "a.zip")
    assert (wrong.status, wrong.error_code) == ("rejected", "no_good_rows")
    version = freeze(tenant, images.pk)
    acts = {
        "task_differs": lambda: services.rows_add(
            actor=actor, dataset_id=images.pk, rows=[{"text": "a"}]
        ),
        "texts_only": lambda: services.checks_start(
            actor=actor, dataset_id=images.pk, kinds=["near"]
        ),
        "texts_only ": lambda: project_create(
            actor=actor, dataset_id=images.pk, name="p", labels=["cat", "dog"]
        ),
        "texts_only  ": lambda: services.version_freeze(
            actor=actor, dataset_id=images.pk, grouping={"by": "near"}
        ),
        "format_unknown": lambda: services.export_start(
            actor=actor, dataset_id=images.pk, name="csv"
        ),
    }
    for code, act in acts.items():
        with tenant_scope(tenant.pk), pytest.raises(DomainError) as refusal:
            act()
        assert refusal.value.code == code.strip()
    with pytest.raises(Conflict) as conflict:
        run_submit(actor=actor, dataset_version_id=version.pk, model_name="pets")
    assert conflict.value.code == "task_not_trained"
    with tenant_scope(tenant.pk), pytest.raises(Invalid):
        services.export_start(actor=actor, dataset_id=texts.pk, name="images")


def test_a_version_holds_where_each_image_lies_whatever_their_order_until_all_is_deleted(
    tenant: Tenant,
) -> None:
    files = {
        f"root/{split}/{label}/{at}.png": image(at + 100 * (label == "dog"))
        for label in ("cat", "dog")
        for at, split in enumerate(("train", "train", "val", "test", "test", "test"))
    }
    hashes = set()
    for order in (list(files), list(reversed(files))):
        dataset = make_dataset(tenant)
        brought(tenant, dataset, zip_of({name: files[name] for name in order}))
        version = freeze(tenant, dataset.pk)
        assert version.status == "frozen"
        hashes.add(version.content_hash)
    assert len(hashes) == 1
    table = pq.read_table(io.BytesIO(storage.get_bytes(version.rows_key))).to_pylist()
    assert len(table) == 12
    tags = [row.tags for row in rows_of(tenant, dataset)]
    assert {tag: tags.count([tag]) for tag in ("train", "validation", "test")} == {
        "train": 4, "validation": 2, "test": 6,
    }  # fmt: skip
    for row in table:
        assert Image.open(io.BytesIO(storage.get_bytes(row["image"]["key"]))).size == (40, 30)
    browser = signed_in(add_member(tenant, "admin"))
    detail = browser.get(reverse("datasets:detail", args=[tenant.slug, dataset.pk]))
    assert f"?version={version.pk}" not in detail.content.decode()
    for page in ("versions", "health", "exports"):
        address = reverse(f"datasets:{page}", args=[tenant.slug, dataset.pk])
        assert browser.get(address).status_code == 200
    address = reverse("datasets:version", args=[tenant.slug, version.pk])
    assert "Equal images" in browser.get(address).content.decode()
    with tenant_scope(tenant.pk):
        assert selectors.stored_bytes(tenant.pk) > 2 * len(zip_of(files))
        for one in list(Dataset.objects.all()):
            services.dataset_delete(actor=owner_of(tenant), dataset_id=one.pk, name=one.name)
    assert images_of(tenant) == []


def test_an_export_imported_again_is_the_same_dataset(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, actor = make_dataset(tenant), make_dataset(tenant), owner_of(tenant)
    files = {
        "x/cat/1.jpg": photo(1), "x/cat/2.gif": image(2, "GIF"), "x/dog/1.jpg": image(3, "JPEG"),
        "x/dog/big/1.webp": image(4, "WEBP"), "x/top.png": image(5), "x/train/1.png": image(6),
        "x/CAT/1.jpg": image(7, "JPEG"),
    }  # fmt: skip
    brought(tenant, first, zip_of(files))
    rows = rows_of(tenant, first)
    with tenant_scope(tenant.pk):
        services.change_start(
            actor=actor,
            dataset_id=first.pk,
            kind="relabel",
            params={"selection": {"ids": [str(rows[0].pk)]}, "label": "../a/b: 100%"},
        )
        export = services.export_start(actor=actor, dataset_id=first.pk, name="images")
        export.refresh_from_db()
    with tenant_scope(tenant.pk):
        export.refresh_from_db()
    assert (export.status, export.rows) == ("done", 7)
    with monkeypatch.context() as few, tenant_scope(tenant.pk):
        few.setattr(archives, "MOST_IMAGES", 7)
        with pytest.raises(Invalid, match="A zip holds 6 images; here are 7") as many:
            services.export_start(actor=owner_of(tenant), dataset_id=first.pk, name="images")
    assert many.value.code == "images_many"
    content = storage.get_bytes(export.storage_key)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert not any(".." in name or name.startswith("/") for name in archive.namelist())
    upload = brought(tenant, second, content)
    assert (upload.rows_added, upload.rows_rejected) == (7, 0)
    assert facts_of(tenant, second) == facts_of(tenant, first)
