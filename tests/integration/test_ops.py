"""The operators' console, as a process of its own on the ops login, over HTTP."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from billing import plans, usage
from billing.models import StripeEvent
from modelyard.core import clock, presence, valkey
from modelyard.core.errors import Unavailable
from modelyard.core.http import traffic
from modelyard.ops import fleet
from tenants.models import AuditEvent, Tenant, User
from tenants.scoping.context import ops_scope, tenant_scope
from tests.factories import add_member, make_tenant, make_user, signed_in
from tests.factories_ops import Console, make_run, make_staff, running_worker
from tests.factories_serving import deploy, make_version
from training.jobs.models import Run, RunEvent

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _empty_broker() -> Iterator[None]:
    valkey.broker().flushdb()
    yield
    valkey.broker().flushdb()


@pytest.fixture
def console(console_url: str) -> Iterator[Console]:
    browser = Console(console_url)
    browser.sign_in(make_staff(), to="/jobs/run/")  # the dashboard waits a second for workers
    yield browser
    browser.http.close()


def now_of(run: Run) -> Run:
    with tenant_scope(run.tenant_id):
        found: Run = Run.objects.get(pk=run.pk)
        return found


def fresh_dashboard(console: Console) -> str:
    valkey.cache().delete("cache:1:ops:replies")
    return console.get("/").text


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.1)


def acts_of(tenant: Tenant) -> list[tuple[str, str, str]]:
    with tenant_scope(tenant.pk):
        rows = AuditEvent.objects.filter(action__startswith="ops.")
        return list(rows.values_list("action", "actor_kind", "object_id"))


def test_staff_see_tenants_with_plan_members_and_what_they_used(console: Console) -> None:
    one, two = make_tenant(name="Acme"), make_tenant(name="Globex")
    add_member(one, "builder")
    with tenant_scope(two.pk):
        usage.record(
            tenant_id=two.pk, entry_id="req_1", meter=plans.PREDICTIONS, amount=4321, subject={}
        )
    page = console.get("/tenants/tenant/")
    assert page.status_code == 200
    assert "acme" in page.text
    assert "globex" in page.text
    assert "4,321" in page.text
    assert "Free" in page.text
    detail = console.get(f"/tenants/tenant/{one.pk}/change/")
    assert detail.status_code == 200
    assert re.search(r"Members.*?>\s*2\s*<", detail.text, re.DOTALL | re.IGNORECASE)


def test_staff_see_runs_of_all_tenants_and_the_log_of_each_in_order(console: Console) -> None:
    one, two = make_tenant(name="Acme"), make_tenant(name="Globex")
    run = make_run(one, error_code="worker_lost", error_message="The worker was lost.")
    make_run(two, "running", lease_owner="worker-7")
    page = console.get("/jobs/run/")
    for word in ("acme-intent #1", "globex-intent #1", "worker-7", "worker_lost"):
        assert word in page.text
    filtered = console.get("/jobs/run/?tenant=acme").text
    assert "acme-intent #1" in filtered
    assert "globex-intent #1" not in filtered
    detail = console.get(f"/jobs/run/{run.pk}/change/").text
    log = detail.split('id="run-log"')[1]
    assert log.index("line 1 &lt;b&gt;") < log.index("line 2 &lt;b&gt;")
    assert "The worker was lost." in detail


def test_staff_see_the_deployments_of_all_tenants(console: Console, tmp_path: Path) -> None:
    one, two = make_tenant(name="Acme"), make_tenant(name="Globex")
    first = deploy(one, make_version(one, tmp_path), "tickets")
    deploy(two, make_version(two, tmp_path), "reviews")
    page = console.get("/serving/deployment/").text
    for word in ("tickets", "acme", "reviews", "globex"):
        assert word in page
    detail = console.get(f"/serving/deployment/{first.id}/change/")
    assert detail.status_code == 200
    assert "tickets" in detail.text


def test_every_page_of_the_console_opens_and_changes_nothing(console: Console) -> None:
    make_run(make_tenant())
    console.sign_out()
    console.sign_in(make_staff("superuser"))
    for path in (
        "/", "/letters/", "/billing/stripeevent/", "/tenants/tenant/", "/jobs/run/",
        "/serving/deployment/", "/billing/entry/",
        "/tenants/auditevent/", "/jobs/run/?q=x&status__exact=failed&error_code__icontains=lost",
        "/tenants/auditevent/?action__icontains=tenant&tenant=ac",
    ):  # fmt: skip
        page = console.get(path)
        assert page.status_code == 200, path
        assert "Traceback" not in page.text
    assert console.get("/jobs/run/add/").status_code == 403
    assert console.get("/password_change/").status_code == 404
    with ops_scope("test"):
        event = AuditEvent.objects.first()
    page = f"/tenants/auditevent/{event.pk}/change/"
    assert console.get(page).status_code == 200
    assert console.post(page, "/jobs/run/", action="forged").status_code == 403
    assert console.post(page.replace("change", "delete"), "/", post="yes").status_code == 403
    assert console.get(page.replace("change", "history")).status_code == 404


def test_queues_that_do_not_answer_are_a_sentence_and_not_an_error_page(
    settings: Any,
) -> None:
    settings.BROKER_URL = "redis://127.0.0.1:1/0"
    with pytest.raises(Unavailable, match="Valkey does not answer"):
        fleet.depths()


def test_the_consoles_addresses_are_not_on_the_web_process() -> None:
    member = make_user()
    make_tenant(member)
    client = signed_in(member)
    for path in ("/tenants/tenant/", "/jobs/run/", "/billing/entry/", "/login/", "/admin/"):
        assert client.get(path).status_code == 404, path


def test_a_tenants_scope_inside_the_ops_scope_narrows_and_gives_back() -> None:
    one, two = make_tenant(), make_tenant()
    with ops_scope("test"):
        with tenant_scope(one.pk):
            assert {row.tenant_id for row in AuditEvent.objects.all()} == {one.pk}
            AuditEvent.objects.create(
                actor_kind="staff", actor_id="x", action="ops.x", object_kind="run", object_id="x"
            )
        assert {row.tenant_id for row in AuditEvent.objects.all()} == {one.pk, two.pk}
        with connection.cursor() as cursor:
            cursor.execute("select current_user, current_setting('app.tenant_id', true)")
            assert cursor.fetchone() == ("modelyard_ops", "")
    assert [row[0] for row in acts_of(one)] == ["ops.x"]
    assert acts_of(two) == []


def test_the_consoles_answers_carry_its_own_policy_and_cookies(console: Console) -> None:
    page = console.get("/jobs/run/")
    policy = page.headers["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval'" in policy
    assert "frame-ancestors 'none'" in policy
    assert page.headers["X-Frame-Options"] == "DENY"
    assert {"ops-session", "ops-csrf"} <= set(console.http.cookies)


def test_the_dashboard_counts_runs_by_state_and_what_waits_in_the_queues(console: Console) -> None:
    tenant = make_tenant(name="Acme")
    make_run(tenant, error_code="worker_lost")
    make_run(tenant, "queued")
    valkey.broker().lpush("celery:imports", *range(37))
    old = {"headers": {"sent_at": time.time() - 130}}
    valkey.broker().rpush("celery:imports", json.dumps(old))
    page = console.get("/").text
    assert re.search(r"Queued</span>\s*</a></td><td class=\"r\">1<", page)
    assert re.search(r"imports</code></td><td class=\"r\">38</td><td [^>]*>2 min 1\d s<", page)
    assert "acme-intent #1" in page
    assert "acme-intent #2" not in page  # it waits for no five minutes yet


def test_a_message_says_when_it_was_sent(console: Console) -> None:
    run = make_run(make_tenant())
    console.post(f"/jobs/run/{run.pk}/requeue/", "/jobs/run/", reason="once more")
    depth = next(row for row in fleet.depths() if row.name == "training")
    assert depth.waiting == 1
    assert depth.oldest_seconds is not None
    assert depth.oldest_seconds < 20


def test_the_dashboard_names_the_workers_that_answer_and_those_that_no_longer_do(
    console: Console,
) -> None:
    name = "answering@here"
    with running_worker(name):
        idle = rf"{name}</code></td><td><span class=\"y-status y-status-ok\">Idle<"
        until(lambda: re.search(idle, fresh_dashboard(console)))
    valkey.cache().delete("cache:1:ops:replies")
    record = json.loads(valkey.cache().hget("presence", name))
    record["at"] -= 240
    valkey.cache().hset("presence", name, json.dumps(record))
    page = console.get("/").text
    assert f"{name} is silent for 4 min" in page


def test_a_worker_shows_its_gpus() -> None:
    one, two = presence.parse(
        "0, NVIDIA H100 80GB HBM3, 97, 21504, 81559\n1, NVIDIA GB10, [N/A], [N/A], [N/A]\n"
    )
    assert (one.name, one.percent, one.used_mib, one.total_mib) == (
        "NVIDIA H100 80GB HBM3", 97, 21504, 81559,
    )  # fmt: skip
    assert (two.index, two.percent, two.total_mib) == (1, 0, 0)


def test_the_dashboard_invents_no_figures(console: Console) -> None:
    valkey.cache().flushdb()
    page = console.get("/").text
    assert page.count("no requests in the last 5 minutes") == 2
    assert "no predictions in the last 5 minutes" in page
    assert "No worker has shown itself" in page


def test_the_dashboard_tells_error_rate_and_p95_of_the_last_minutes(console: Console) -> None:
    traffic.flush()
    valkey.cache().flushdb()
    for number in range(200):
        traffic.note("predictions", 500 if number < 3 else 200, 0.020 if number < 180 else 0.200)
    traffic.flush()
    page = console.get("/").text
    assert "1.50%" in page
    assert "3 of 200 requests" in page
    found = re.search(r"p95, predictions, 5 min</dt><dd>(\d+) ms", page)
    assert found
    assert 174 <= int(found.group(1)) <= 226


@given(
    st.lists(st.floats(0.0011, 60, allow_nan=False), min_size=1, max_size=200),
    st.sampled_from([0.5, 0.95, 0.99]),
)
def test_a_percentile_of_the_buckets_is_within_thirteen_percent(
    times: list[float], share: float
) -> None:
    counted = Counter(traffic.bucket(seconds) for seconds in times)
    found = traffic.percentile(dict(counted), share)
    exact = sorted(times)[math.ceil(share * len(times)) - 1]
    assert found == pytest.approx(exact, rel=0.131)


def test_every_answer_of_the_site_is_counted_once() -> None:
    traffic.flush()
    valkey.cache().flushdb()
    client = signed_in(make_user())
    client.get("/livez")
    client.get("/accounts/login/")
    client.post("/api/v1/deployments/none/predict", {"inputs": "x"}, "application/json")
    traffic.flush()
    assert traffic.figures(("pages",), minutes=1).requests == 1
    assert traffic.figures(("predictions",), minutes=1).requests == 1


def test_requeue_puts_a_failed_run_back_and_the_tenant_sees_who_and_why(console: Console) -> None:
    tenant, other = make_tenant(owner := make_user()), make_tenant()
    run = make_run(tenant, error_code="worker_lost", error_message="The worker was lost.")
    page = f"/jobs/run/{run.pk}/change/"
    assert "Requeue" in console.get(page).text
    answer = console.post(f"/jobs/run/{run.pk}/requeue/", page, reason="gpu-07 <b>died</b>")
    assert "is queued now" in answer.text
    assert (now_of(run).status, now_of(run).error_code, now_of(run).starts) == ("queued", "", 0)
    assert valkey.broker().llen("celery:training") == 1
    staff = User.objects.get(is_staff=True)
    with tenant_scope(tenant.pk):
        event = AuditEvent.objects.get(action="ops.run_requeued")
        assert RunEvent.objects.filter(run=run).count() == 4
    assert (event.actor_kind, event.actor_id) == ("staff", str(staff.pk))
    assert (event.facts["who"], event.facts["reason"]) == (staff.email, "gpu-07 <b>died</b>")
    assert event.object_id == str(run.pk)
    assert event.request_id.startswith("req_")
    assert acts_of(other) == []
    seen = signed_in(owner).get(f"/t/{tenant.slug}/runs/{run.pk}/").content.decode()
    assert f"{staff.email} of our staff put this run back in the queue" in seen
    assert "Reason: gpu-07 &lt;b&gt;died&lt;/b&gt;" in seen


def test_an_act_without_a_reason_does_nothing(console: Console) -> None:
    run = make_run(make_tenant())
    for reason in ("", "  ", "x" * 301):
        answer = console.post(
            f"/jobs/run/{run.pk}/requeue/", f"/jobs/run/{run.pk}/change/", reason=reason
        )
        assert "Say why in 3 to 300 characters" in answer.text
    assert now_of(run).status == "failed"


def test_a_waiting_run_is_rung_for_again_and_a_silent_one_goes_back(console: Console) -> None:
    tenant = make_tenant()
    soon = clock.now() + dt.timedelta(minutes=1)
    waits = make_run(tenant, "queued")
    silent = make_run(tenant, "running", lease_until=clock.now() - dt.timedelta(minutes=1))
    works = make_run(tenant, "running", lease_until=soon, heartbeat_at=clock.now())
    for run in (waits, silent, works):
        console.post(f"/jobs/run/{run.pk}/requeue/", "/jobs/run/", reason="it is stuck")
    assert [now_of(run).status for run in (waits, silent, works)] == ["queued", "queued", "running"]
    assert valkey.broker().llen("celery:training") == 2
    assert sorted(act[2] for act in acts_of(tenant)) == sorted([str(waits.pk), str(silent.pk)])


def test_cancel_stops_a_queued_run_and_asks_a_working_one_to_stop(console: Console) -> None:
    tenant, other = make_tenant(), make_tenant()
    queued, working = make_run(tenant, "queued"), make_run(other, "running")
    for run in (queued, working):
        page = f"/jobs/run/{run.pk}/change/"
        console.post(f"/jobs/run/{run.pk}/cancel/", page, reason="the customer asked")
    assert now_of(queued).status == "cancelled"
    assert now_of(working).status == "cancelling"
    assert acts_of(tenant) == [("ops.run_cancelled", "staff", str(queued.pk))]
    assert acts_of(other) == [("ops.run_cancelled", "staff", str(working.pk))]


def test_an_act_needs_a_post_with_the_forms_token_and_a_run_that_exists(console: Console) -> None:
    run = make_run(make_tenant())
    path = f"/jobs/run/{run.pk}/requeue/"
    assert console.get(path).status_code == 405
    assert console.http.post(path, data={"reason": "because"}).status_code == 403
    missing = console.post(f"/jobs/run/{make_user().pk}/requeue/", "/jobs/run/", reason="because")
    assert missing.status_code == 404
    assert now_of(run).status == "failed"


def test_dead_letters_are_grouped_by_cause_and_replayed_one_or_all(console: Console) -> None:
    one, two = make_tenant(name="Acme"), make_tenant(name="Globex")
    lost = [make_run(tenant, error_code="worker_lost") for tenant in (one, one, two)]
    broke = make_run(two, error_code="internal_error")
    theirs = make_run(two, error_code="labels_too_few")
    page = console.get("/letters/").text
    assert re.search(r"<span class=\"num\">3</span> · The worker was lost", page)
    assert str(broke.title) in page
    assert "labels_too_few" not in page
    path = "/letters/run/worker_lost/replay/"
    only = console.post(path, "/letters/", reason="gpu-07 died", only=str(lost[0].pk))
    assert "1 is on its way again" in only.text
    assert [now_of(run).status for run in lost] == ["queued", "failed", "failed"]
    every = console.post(path, "/letters/", reason="gpu-07 died")
    assert "2 are on their way again" in every.text
    states = [now_of(run).status for run in (*lost, broke, theirs)]
    assert states == ["queued", "queued", "queued", "failed", "failed"]
    assert [len(acts_of(tenant)) for tenant in (one, two)] == [2, 1]


def test_a_replay_of_many_does_what_it_can_and_says_why_not_for_the_rest(console: Console) -> None:
    one, two = make_tenant(), make_tenant()
    able, spent = make_run(one, error_code="stalled"), make_run(two, error_code="stalled")
    with tenant_scope(two.pk):
        hours = 10_000 * 3_600_000
        usage.record(
            tenant_id=two.pk, entry_id="run:x", meter=plans.TRAIN_MS, amount=hours, subject={}
        )
    answer = console.post("/letters/run/stalled/replay/", "/letters/", reason="once more")
    assert "1 is on its way again" in answer.text
    assert f"{spent.title}: " in answer.text
    assert (now_of(able).status, now_of(spent).status) == ("queued", "failed")
    assert acts_of(two) == []


def test_events_of_stripe_that_were_not_processed_are_replayed(console_url: str) -> None:
    console = Console(console_url)
    console.sign_in(make_staff("billing"))
    late = clock.now() - dt.timedelta(hours=1)
    for name, error, done in (
        ("evt_unknown", "customer_unknown", late),
        ("evt_waits", "", None),
        ("evt_fine", "", late),
    ):
        StripeEvent.objects.create(
            id=name, type="invoice.paid", customer="cus_1", received_at=late,
            processed_at=done, error=error,
        )  # fmt: skip
    page = console.get("/letters/").text
    assert "Stripe told of a customer whom no workspace has." in page
    assert "evt_fine" not in page
    console.post("/letters/webhook/customer_unknown/replay/", "/letters/")
    console.post("/letters/webhook/waiting/replay/", "/letters/", only="evt_waits")
    assert valkey.broker().llen("celery:system") == 2
    assert StripeEvent.objects.filter(processed_at=None, error="").count() == 2
    assert console.post("/letters/run/stalled/replay/", "/letters/").status_code == 403


def test_the_search_leads_to_runs_workspaces_and_requests(console: Console) -> None:
    tenant = make_tenant(name="Acme")
    run = make_run(tenant)
    for typed, path in (
        (str(run.pk), f"/jobs/run/{run.pk}/change/"),
        (tenant.slug, f"/tenants/tenant/{tenant.pk}/change/"),
        (str(tenant.pk), f"/tenants/tenant/{tenant.pk}/change/"),
        ("req_123", "/tenants/auditevent/"),
        ("nothing such", "/jobs/run/"),
    ):
        answer = console.http.get("/find/", params={"q": typed})
        assert answer.status_code == 200, typed
        assert answer.url.path == path
    for path in ("/find/?q=%00", "/jobs/run/?tenant=%00", "/jobs/run/?error_code__icontains=a%00"):
        assert console.get(path).status_code == 400
    for typed in ("failed", str(run.pk), str(tenant.pk), tenant.slug):
        assert run.title in console.http.get("/jobs/run/", params={"q": typed}).text, typed
