"""Labelling: leases under concurrency, answers that count once, undo, and the frozen version."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import connections
from django.test import Client

from billing.models import Entry
from billing.tasks import flush_usage
from modelyard.core import valkey
from tenants.models import AuditEvent, Membership, Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import add_member, bearer, make_key, make_tenant, owner_of, signed_in
from tests.factories_datasets import csv_of, import_file, make_dataset
from tests.factories_labeling import make_project, unlabelled_rows
from tests.factories_serving import deploy, make_version, serving_child
from tests.serving_shard import wait_for
from training.datasets import services
from training.datasets.models import DatasetVersion, Example
from training.labeling import selectors
from training.labeling.models import Annotation, Project, Suggestion, Task
from training.serving import door
from training.serving.runtime import names
from training.serving.runtime.child import Child

pytestmark = pytest.mark.django_db(transaction=True)


class Labeler:
    """A program that labels with its own key, like a page does."""

    def __init__(self, tenant: Tenant, project: Project, page: str = "") -> None:
        self.key = make_key(tenant)
        self.url = f"/api/v1/labeling/projects/{project.pk}"
        self.page = page

    def post(self, what: str, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
        answer = Client().post(
            f"{self.url}/{what}", body, content_type="application/json", **bearer(self.key)
        )
        assert answer.status_code == status, answer.content
        found: dict[str, Any] = answer.json()
        return found

    def lease(self, n: int = 20, *, resume: bool = False) -> list[dict[str, Any]]:
        tasks: list[dict[str, Any]] = self.post(
            "lease", {"n": n, "page": self.page, "resume": resume}
        )["tasks"]
        return tasks

    def answer(self, *pairs: tuple[str, str], client_id: str = "") -> list[str]:
        items = [
            {"task": task, "label": label, "client_id": client_id or f"c-{task}", "duration_ms": 9}
            for task, label in pairs
        ]
        return [one["status"] for one in self.post("annotations", {"items": items})["results"]]

    def undo(self, task: str, client_id: str = "") -> str:
        body = {"items": [{"task": task, "client_id": client_id}], "page": self.page}
        status: str = self.post("undo", body)["results"][0]["status"]
        return status


@pytest.fixture
def tenant() -> Tenant:
    return make_tenant()


@pytest.fixture
def project(tenant: Tenant) -> Project:
    return make_project(tenant, unlabelled_rows(tenant, 40).pk)


@pytest.fixture
def short_lease(settings: Any) -> None:
    settings.LABEL_LEASE_SECONDS = 0.3


def standing(tenant: Tenant) -> list[Annotation]:
    with tenant_scope(tenant.pk):
        return list(Annotation.objects.filter(undone_at=None))


def test_five_concurrent_clients_over_500_tasks_label_each_task_exactly_once(
    tenant: Tenant,
) -> None:
    project = make_project(tenant, unlabelled_rows(tenant, 500).pk)
    faults: list[BaseException] = []
    said: Counter[str] = Counter()

    def work(number: int, labeler: Labeler) -> None:
        try:
            while tasks := labeler.lease(20):
                for start in range(0, len(tasks), 10):
                    pairs = [(task["id"], "good") for task in tasks[start : start + 10]]
                    said.update(labeler.answer(*pairs))
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            faults.append(error)
        finally:
            connections.close_all()
        del number

    labelers = [Labeler(tenant, project, f"page-{n}") for n in range(5)]
    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(labelers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert faults == []
    assert said == {"saved": 500}
    found = standing(tenant)
    assert len(found) == 500
    assert len({one.task_id for one in found}) == 500
    assert len({one.author for one in found}) == 5


def test_two_labelers_never_hold_the_same_task(tenant: Tenant, project: Project) -> None:
    first, second = Labeler(tenant, project), Labeler(tenant, project)
    mine, theirs = first.lease(25), second.lease(25)
    assert [task["seq"] for task in mine] == list(range(1, 26))
    assert [task["seq"] for task in theirs] == list(range(26, 41))
    assert second.lease(5) == []


def test_tasks_of_a_page_that_died_come_back_after_their_lease(
    tenant: Tenant, project: Project, short_lease: None
) -> None:
    dead, alive = Labeler(tenant, project), Labeler(tenant, project)
    held = dead.lease(40)
    assert alive.lease(40) == []
    time.sleep(0.4)
    assert [task["id"] for task in alive.lease(40)] == [task["id"] for task in held]


def test_a_renewed_lease_stays_and_tells_which_tasks_are_lost(
    tenant: Tenant, project: Project, short_lease: None
) -> None:
    labeler, other = Labeler(tenant, project), Labeler(tenant, project)
    held = [task["id"] for task in labeler.lease(3)]
    for _round in range(3):
        time.sleep(0.2)
        assert labeler.post("renew", {"tasks": held})["lost"] == []
    assert not {task["id"] for task in other.lease(37)} & set(held)
    time.sleep(0.4)
    taken = other.lease(1)[0]["id"]
    assert labeler.post("renew", {"tasks": held})["lost"] == [taken]


def test_a_reloaded_page_gets_its_own_tasks_back_and_another_page_does_not(
    tenant: Tenant, project: Project
) -> None:
    labeler = Labeler(tenant, project, page="one")
    held = [task["id"] for task in labeler.lease(5)]
    assert [task["id"] for task in labeler.lease(5, resume=True)] == held
    labeler.page = "two"
    assert not {task["id"] for task in labeler.lease(5, resume=True)} & set(held)


def test_an_answer_sent_twice_counts_once(tenant: Tenant, project: Project) -> None:
    labeler = Labeler(tenant, project)
    task = labeler.lease(1)[0]["id"]
    assert labeler.answer((task, "good")) == ["saved"]
    assert labeler.answer((task, "good"), (task, "good")) == ["saved", "saved"]
    assert len(standing(tenant)) == 1


def test_an_answer_to_somebody_elses_task_is_taken_and_changes_nothing(
    tenant: Tenant, project: Project, short_lease: None
) -> None:
    slow, quick = Labeler(tenant, project), Labeler(tenant, project)
    task = slow.lease(1)[0]["id"]
    assert quick.answer((task, "bad")) == ["taken"]
    time.sleep(0.4)
    assert quick.lease(1)[0]["id"] == task
    assert quick.answer((task, "bad")) == ["saved"]
    assert slow.answer((task, "good")) == ["taken"]
    assert [one.label for one in standing(tenant)] == ["bad"]


def test_an_answer_that_comes_late_counts_while_nobody_else_has_the_task(
    tenant: Tenant, project: Project, short_lease: None
) -> None:
    labeler = Labeler(tenant, project)
    task = labeler.lease(1)[0]["id"]
    time.sleep(0.4)
    assert labeler.answer((task, "good")) == ["saved"]


def test_an_undone_answer_comes_back_to_the_same_labeler_and_can_be_given_anew(
    tenant: Tenant, project: Project
) -> None:
    labeler, other = Labeler(tenant, project), Labeler(tenant, project)
    task = labeler.lease(1)[0]["id"]
    labeler.answer((task, "good"), client_id="first")
    assert other.undo(task, "first") == "unknown"
    assert labeler.undo(task, "first") == "undone"
    assert labeler.undo(task, "first") == "undone"
    assert standing(tenant) == []
    assert task not in {one["id"] for one in other.lease(40)}
    assert labeler.answer((task, "good"), client_id="first") == ["undone"]
    assert labeler.answer((task, "bad"), client_id="second") == ["saved"]
    assert [one.label for one in standing(tenant)] == ["bad"]


def test_a_skipped_task_is_set_aside_until_it_is_undone_or_put_back(
    tenant: Tenant, project: Project
) -> None:
    labeler, other = Labeler(tenant, project), Labeler(tenant, project)
    task = labeler.lease(1)[0]["id"]
    assert labeler.post("skip", {"tasks": [task]})["results"][0]["status"] == "saved"
    assert task not in {one["id"] for one in other.lease(40)}
    assert other.undo(task) == "taken"
    assert labeler.undo(task) == "undone"
    labeler.post("skip", {"tasks": [task]})
    page = signed_in(Membership.objects.get(tenant=tenant).user)
    page.post(f"/t/{tenant.slug}/labeling/{project.pk}/skipped")
    assert [one["id"] for one in labeler.lease(1)] == [task]


def test_a_label_that_the_project_has_not_is_refused_with_the_labels_it_has(
    tenant: Tenant, project: Project
) -> None:
    labeler = Labeler(tenant, project)
    item = {"task": labeler.lease(1)[0]["id"], "label": "fine", "client_id": "x"}
    refused = labeler.post("annotations", {"items": [item]}, 422)
    assert refused["code"] == "label_unknown"
    assert "good, bad" in refused["detail"]


def test_another_tenants_project_is_unknown_whatever_is_asked_of_it(project: Project) -> None:
    stranger = Labeler(make_tenant(), project)
    task = str(uuid.uuid4())
    bodies: dict[str, dict[str, Any]] = {
        "lease": {},
        "renew": {"tasks": [task]},
        "annotations": {"items": [{"task": task, "label": "good", "client_id": "x"}]},
        "undo": {"items": [{"task": task, "client_id": "x"}]},
        "skip": {"tasks": [task]},
        "freeze": {},
    }
    for what, body in bodies.items():
        assert stranger.post(what, body, 404)["code"] == "not_found"


def test_a_labeler_may_label_and_may_not_freeze_and_a_viewer_may_do_neither(
    tenant: Tenant, project: Project
) -> None:
    base = f"/t/{tenant.slug}/labeling/{project.pk}"
    api = f"/t/{tenant.slug}/api/v1/labeling/projects/{project.pk}"
    labeler = signed_in(add_member(tenant, "labeler"))
    assert labeler.get(f"{base}/label").status_code == 200
    assert labeler.post(f"{api}/lease", {}, content_type="application/json").status_code == 200
    assert labeler.post(f"{base}/freeze").status_code == 403
    viewer = signed_in(add_member(tenant, "viewer"))
    assert viewer.get(f"{base}/").status_code == 200
    assert viewer.get(f"{base}/label").status_code == 403
    assert viewer.post(f"{api}/lease", {}, content_type="application/json").status_code == 403


def label_all(tenant: Tenant, project: Project, *labels: str) -> Labeler:
    """Label every task, the labels in turn."""
    labeler = Labeler(tenant, project)
    tasks = labeler.lease(100)
    pairs = [(task["id"], labels[n % len(labels)]) for n, task in enumerate(tasks)]
    assert set(labeler.answer(*pairs)) == {"saved"}
    return labeler


def test_the_accepted_labels_become_a_frozen_version_and_can_not_be_undone_any_more(
    tenant: Tenant, project: Project
) -> None:
    labeler = label_all(tenant, project, "good", "bad")
    frozen = labeler.post("freeze", {}, 201)
    assert frozen["number"] == 1
    assert frozen["counts"] == {
        "labelled": 40,
        "corrected": 0,
        "unchanged": 0,
        "repeats": 0,
        "removed": 0,
    }
    with tenant_scope(tenant.pk):
        version = DatasetVersion.objects.get(pk=frozen["version_id"])
        assert version.status == "frozen"
        assert version.label_counts == {"bad": 20, "good": 20}
        assert not Example.objects.filter(label=None).exists()
        task = Task.objects.earliest("seq").pk
        assert AuditEvent.objects.filter(action="project.frozen").count() == 1
    assert labeler.undo(str(task), f"c-{task}") == "frozen"
    assert labeler.post("freeze", {}, 422)["code"] == "nothing_to_freeze"


def test_rows_removed_from_the_dataset_are_not_handed_out_and_their_labels_are_counted_apart(
    tenant: Tenant, project: Project
) -> None:
    with tenant_scope(tenant.pk):
        seen, unseen = Example.live.order_by("upload", "line")[:2]
        services.change_start(
            actor=owner_of(tenant), dataset_id=project.dataset_id, kind="remove",
            params={"selection": {"ids": [str(unseen.pk)]}},
        )  # fmt: skip
    label_all(tenant, project, "good", "bad")
    with tenant_scope(tenant.pk):
        assert Task.objects.get(example=unseen).status == "open"
        found = selectors.project_counts(project.pk)
        assert (found.waiting, found.accepted) == (0, 39)
        services.change_start(
            actor=owner_of(tenant), dataset_id=project.dataset_id, kind="remove",
            params={"selection": {"ids": [str(seen.pk)]}},
        )  # fmt: skip
    counts = Labeler(tenant, project).post("freeze", {}, 201)["counts"]
    assert (counts["labelled"], counts["removed"]) == (38, 1)


def test_labels_that_can_not_be_frozen_are_not_written_either(
    tenant: Tenant, project: Project
) -> None:
    labeler = label_all(tenant, project, "good")
    assert labeler.post("freeze", {}, 422)["code"] == "one_label"
    page = signed_in(Membership.objects.get(tenant=tenant).user)
    base = f"/t/{tenant.slug}/labeling/{project.pk}"
    answer = page.post(f"{base}/freeze", follow=True)
    assert "All rows have the label “good”" in answer.content.decode()
    with tenant_scope(tenant.pk):
        assert not Example.objects.exclude(label=None).exists()
        assert not Annotation.objects.exclude(applied_at=None).exists()


def test_a_project_over_all_rows_corrects_labels_and_leaves_repeats_alone(tenant: Tenant) -> None:
    dataset = make_dataset(tenant)
    rows = [(f"film {n}", "good" if n % 2 else "bad") for n in range(12)]
    import_file(tenant, dataset, csv_of([*rows, ("film 0", "good")]))
    project = make_project(tenant, dataset.pk, labelled_too=True)
    labeler = Labeler(tenant, project)
    tasks = {task["text"]: task["id"] for task in labeler.lease(100)}
    with tenant_scope(tenant.pk):
        twins = list(Task.objects.filter(example__data__text="film 0").order_by("seq"))
    pairs = [(str(twin.pk), "good") for twin in twins]
    pairs += [(tasks["film 1"], "bad"), (tasks["film 2"], "bad")]
    assert set(labeler.answer(*pairs)) == {"saved"}
    counts = labeler.post("freeze", {}, 201)["counts"]
    assert counts == {"labelled": 0, "corrected": 1, "unchanged": 2, "repeats": 1, "removed": 0}


def test_a_project_needs_labels_rows_and_a_name_of_its_own(tenant: Tenant) -> None:
    dataset = unlabelled_rows(tenant, 3)
    make_project(tenant, dataset.pk, name="October")
    page = signed_in(Membership.objects.get(tenant=tenant).user)
    good = {
        "dataset": str(dataset.pk),
        "name": "Other",
        "labels": "a\nb\nb\n",
        "rows": "unlabelled",
    }
    url = f"/t/{tenant.slug}/labeling/new"
    for wrong, sentence in (
        ({"name": "october"}, "of this name already"),
        ({"labels": "only one\n"}, "Give two labels or more"),
        ({"dataset": str(make_dataset(tenant).pk)}, "no rows without a label"),
    ):
        answer = page.post(url, {**good, **wrong})
        assert answer.status_code == 422, wrong
        assert sentence in answer.content.decode()
    answer = page.post(url, good, follow=True)
    assert answer.status_code == 200
    with tenant_scope(tenant.pk):
        assert Project.objects.get(name="Other").labels == [
            {"name": "a", "key": "1"},
            {"name": "b", "key": "2"},
        ]


def test_a_closed_project_hands_out_nothing_and_takes_what_comes_in(
    tenant: Tenant, project: Project
) -> None:
    labeler = Labeler(tenant, project)
    task = labeler.lease(1)[0]["id"]
    page = signed_in(Membership.objects.get(tenant=tenant).user)
    base = f"/t/{tenant.slug}/labeling/{project.pk}"
    assert page.post(f"{base}/close").status_code == 302
    assert labeler.post("lease", {}, 409)["code"] == "project_closed"
    assert labeler.answer((task, "good")) == ["saved"]
    assert page.post(f"{base}/open").status_code == 302
    assert len(labeler.lease(5)) == 5


def test_the_pages_show_projects_progress_and_what_a_labeler_needs(
    tenant: Tenant, project: Project
) -> None:
    label_all(tenant, project, "good", "bad")
    page = signed_in(Membership.objects.get(tenant=tenant).user)
    base = f"/t/{tenant.slug}/labeling"
    assert "queue" in page.get(f"{base}/").content.decode()
    detail = page.get(f"{base}/{project.pk}/").content.decode()
    assert "All rows are done." in detail
    assert "API key" in detail
    work = page.get(f"{base}/{project.pk}/label").content.decode()
    assert f"/api/v1/labeling/projects/{project.pk}/lease" in work
    assert page.get(f"{base}/new?dataset={project.dataset_id}").status_code == 200


@pytest.fixture
def server() -> Iterator[Child]:
    with serving_child() as child:
        wait_for(lambda: valkey.serving().zcard(names.alive(django_settings.SERVING_SHARD)) == 1)
        yield child
    if door._Process.mux is not None:
        door._Process.mux.close()
        door._Process.mux = None


def test_a_live_deployment_suggests_labels_and_its_predictions_count(
    server: Child, tenant: Tenant, tmp_path: Path
) -> None:
    deploy(tenant, make_version(tenant, tmp_path))
    dataset = unlabelled_rows(tenant, 25)
    project = make_project(tenant, dataset.pk, labels=["bad", "fine", "good"])
    labeler = Labeler(tenant, project)
    assert labeler.post("suggestions", {"deployment": "none"}, 404)["code"] == "deployment_unknown"
    said = labeler.post("suggestions", {"deployment": "reviews"})
    assert said == {"deployment": "reviews", "problem": ""}
    suggestion = labeler.lease(1)[0]["suggestion"]
    assert suggestion["label"] in {"bad", "fine", "good"}
    assert 0 < suggestion["score"] <= 1
    assert suggestion["source"] == "reviews v1"
    flush_usage()
    with tenant_scope(tenant.pk):
        assert Suggestion.objects.count() == 25
        entries = Entry.objects.filter(meter="predictions")
        assert sum(entry.amount for entry in entries) == 25


def test_a_deployment_that_stopped_says_so_on_the_project(
    server: Child, tenant: Tenant, tmp_path: Path, project: Project
) -> None:
    facts = deploy(tenant, make_version(tenant, tmp_path))
    labeler = Labeler(tenant, project)
    page = signed_in(Membership.objects.get(tenant=tenant).user)
    page.post(f"/t/{tenant.slug}/deployments/{facts.name}/stop")
    base = f"/t/{tenant.slug}/labeling/{project.pk}/suggestions"
    refused = page.post(base, {"deployment": facts.name})
    assert refused.status_code == 422
    assert "does not answer now" in refused.content.decode()
    assert labeler.lease(1)[0]["suggestion"] is None
