"""Plans are bought at Stripe: Checkout, events in any order, the portal, and no billing at all."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import secrets
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from billing import entitlements, gateway, plans, services, usage
from billing.models import Account, StripeEvent
from billing.tasks import reconcile, sweep_events
from modelyard.core.errors import QuotaExceeded
from tenants import access
from tenants.models import AuditEvent, Membership, Tenant
from tenants.scoping.context import tenant_scope
from tests.factories import add_member, make_tenant, owner_of, signed_in
from tests.stripe_stand import (
    DECLINED,
    GOOD,
    KEY,
    LATER_BAD,
    Stand,
    running_stand,
    signed,
    text_of,
    until,
)  # fmt: skip

pytestmark = pytest.mark.django_db(transaction=True)
SECRET = "whsec_of_the_tests"
STRIPE = Client()
SEED = secrets.randbelow(1 << 30)


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with running_stand(tmp_path_factory.mktemp("stripe") / "state.sqlite") as found:
        yield found


@pytest.fixture
def shop(stand: Stand, settings: Any) -> Stand:
    """The platform sells through the stand-in; events are delivered by the test."""
    settings.BILLING = "sandbox"
    settings.STRIPE_API_URL, settings.STRIPE_SECRET_KEY = stand.url, KEY
    settings.STRIPE_WEBHOOK_SECRETS = [SECRET]
    return stand


@pytest.fixture
def live(shop: Stand, settings: Any, live_server: Any) -> Iterator[Stand]:
    """The same, with the stand-in's own courier."""
    settings.SITE_URL = live_server.url
    with shop.sends_to(f"{live_server.url}/stripe/webhook") as secret:
        settings.STRIPE_WEBHOOK_SECRETS = [secret]
        yield shop
        until(lambda: shop.call("GET", "/healthz")["waiting"] == 0)


def owner(tenant: Tenant) -> Client:
    return signed_in(tenant.memberships.get(role="owner").user)


def open_checkout(tenant: Tenant, plan: str = "team") -> str:
    answer = owner(tenant).post(f"/t/{tenant.slug}/usage/checkout", {"plan": plan})
    assert answer.status_code == 302, answer.content.decode()[:500]
    return str(answer.headers["Location"])


def open_portal(tenant: Tenant) -> str:
    answer = owner(tenant).post(f"/t/{tenant.slug}/usage/portal")
    return str(answer.headers["Location"])


def usage_page(tenant: Tenant, query: str = "", client: Client | None = None) -> str:
    page = (client or owner(tenant)).get(f"/t/{tenant.slug}/usage/{query}")
    assert page.status_code == 200
    return text_of(page.content.decode())


def account(tenant: Tenant) -> Account:
    with tenant_scope(tenant.pk):
        return Account.objects.get()


def state(tenant: Tenant) -> dict[str, object]:
    """Return what the account says, without names and counters."""
    row = account(tenant)
    columns = ("plan", "status", "stripe_subscription", "period_start", "period_end")
    return {name: getattr(row, name) for name in (*columns, "ends_at", "grace_until")}


def plan_of(tenant: Tenant) -> str:
    return entitlements.current(tenant.pk).plan.name


def send(body: bytes, signature: str) -> Any:
    headers = {"Stripe-Signature": signature} if signature else {}
    return STRIPE.post("/stripe/webhook", body, content_type="application/json", headers=headers)


def deliver(events: list[dict[str, Any]]) -> None:
    for event in events:
        assert send(*signed(event, SECRET)).status_code == 200


def subscribed(shop: Stand, number: str = GOOD) -> Tenant:
    tenant = make_tenant()
    assert shop.pay(open_checkout(tenant), number).status_code == 303
    deliver(shop.events(str(account(tenant).stripe_customer)))
    assert plan_of(tenant) == "team"
    return tenant


# --- Buying -----------------------------------------------------------------------------------


def test_an_upgrade_through_checkout_lifts_the_limit_within_two_seconds(live: Stand) -> None:
    tenant = make_tenant()
    with tenant_scope(tenant.pk):
        usage.record(
            tenant_id=tenant.pk, entry_id="a", meter="predictions", amount=1000, subject={}
        )
    with pytest.raises(QuotaExceeded):
        entitlements.require(tenant.pk, "predictions", 1)
    page = usage_page(tenant)
    assert "Free plan €0" in page
    assert "Upgrade to Team" in page
    assert "Manage billing" not in page
    answer = live.pay(open_checkout(tenant))
    assert answer.headers["Location"].endswith(f"/t/{tenant.slug}/usage/?checkout=success")
    assert until(lambda: plan_of(tenant) == "team") < 2
    entitlements.require(tenant.pk, "predictions", 1)
    page = usage_page(tenant, "?checkout=success")
    assert "You are on the Team plan" in page
    assert "Team plan €49 a month The next payment is due on" in page
    assert "Manage billing" in page
    assert "Upgrade to" not in page
    with tenant_scope(tenant.pk):
        acts = list(AuditEvent.objects.order_by("id").values_list("action", "actor_kind"))
    assert acts[-2:] == [("billing.checkout_opened", "user"), ("plan.changed", "system")]


def test_a_declined_card_leaves_the_free_plan_and_another_card_goes_on(live: Stand) -> None:
    tenant = make_tenant()
    page = open_checkout(tenant)
    answer = live.pay(page, DECLINED)
    assert (answer.status_code, "Your card was declined." in answer.text) == (402, True)
    assert plan_of(tenant) == "free"
    assert "Nothing was charged" in usage_page(tenant, "?checkout=canceled")
    assert live.pay(page).status_code == 303
    until(lambda: plan_of(tenant) == "team")


def test_the_return_page_waits_for_stripes_word_and_asks_itself_when_it_is_lost(
    shop: Stand,
) -> None:
    tenant = make_tenant()
    shop.pay(open_checkout(tenant))
    html = owner(tenant).get(f"/t/{tenant.slug}/usage/?checkout=success").content.decode()
    assert "Waiting for Stripe&#x27;s confirmation" in html
    assert "checkout=success&amp;look=1" in html
    assert "It takes longer than usual" in usage_page(tenant, "?checkout=success&look=21")
    assert plan_of(tenant) == "free"
    usage_page(tenant, "?checkout=success&look=5")
    assert plan_of(tenant) == "team"
    assert "look=" not in usage_page(tenant, "?checkout=success&look=6")


def test_who_comes_back_from_the_portal_sees_the_change_though_its_event_is_lost(
    shop: Stand,
) -> None:
    tenant = subscribed(shop)
    assert shop.press(open_portal(tenant), "end_now").status_code == 303
    assert plan_of(tenant) == "team"
    html = owner(tenant).get(f"/t/{tenant.slug}/usage/?checkout=managed").content.decode()
    assert "Back from Stripe" in html
    assert "checkout=managed&amp;look=1" in html
    assert plan_of(tenant) == "free"
    assert "look=" not in usage_page(tenant, "?checkout=managed&look=21")


def test_nobody_pays_twice(shop: Stand) -> None:
    tenant = make_tenant()
    first, second = open_checkout(tenant), open_checkout(tenant)
    assert "This page has expired" in shop.pay(first).text
    assert shop.pay(second).status_code == 303
    answer = owner(tenant).post(f"/t/{tenant.slug}/usage/checkout", {"plan": "team"})
    assert answer.status_code == 409
    assert "has a subscription already" in answer.content.decode()
    assert plan_of(tenant) == "team", "the refusal also brings the account up to date"


def test_two_who_upgrade_at_once_get_one_customer(shop: Stand) -> None:
    tenant, found = make_tenant(), []

    def run() -> None:
        try:
            found.append(services._customer_ensure(owner_of(tenant), "a@example.com"))
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [account(tenant).stripe_customer] * 4


def test_only_who_may_manage_billing_can_buy_and_only_what_is_sold(shop: Stand) -> None:
    tenant = make_tenant()
    builder = signed_in(add_member(tenant, "builder"))
    for path in ("checkout", "portal"):
        answer = builder.post(f"/t/{tenant.slug}/usage/{path}", {"plan": "team"})
        assert answer.status_code == 403
    assert "An owner or a billing member" in usage_page(tenant, client=builder)
    for plan in ("free", "self-hosted", "gold", ""):
        answer = owner(tenant).post(f"/t/{tenant.slug}/usage/checkout", {"plan": plan})
        assert answer.status_code == 422
    answer = owner(tenant).post(f"/t/{tenant.slug}/usage/portal")
    assert (answer.status_code, "buy a plan first" in answer.content.decode()) == (409, True)


def test_when_stripe_is_away_the_upgrade_says_so_and_charges_nothing(
    shop: Stand, settings: Any
) -> None:
    settings.STRIPE_API_URL = "http://127.0.0.1:9"
    tenant = make_tenant()
    answer = owner(tenant).post(f"/t/{tenant.slug}/usage/checkout", {"plan": "team"})
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert "nothing was charged" in answer.content.decode()
    settings.STRIPE_API_URL, settings.STRIPE_SECRET_KEY = shop.url, "sk_test_wrong"
    answer = owner(tenant).post(f"/t/{tenant.slug}/usage/checkout", {"plan": "team"})
    assert (answer.status_code, "refused our request" in answer.content.decode()) == (503, True)


# --- Portal, failing payments, the end --------------------------------------------------------


def test_a_plan_cancelled_in_the_portal_stays_to_its_end_or_ends_at_once(live: Stand) -> None:
    tenant = make_tenant()
    live.pay(open_checkout(tenant))
    until(lambda: plan_of(tenant) == "team")
    live.press(open_portal(tenant), "end")
    until(lambda: account(tenant).ends_at is not None)
    assert "Cancelled: Team stays until" in usage_page(tenant)
    live.press(open_portal(tenant), "resume")
    until(lambda: account(tenant).ends_at is None)
    assert plan_of(tenant) == "team"
    live.press(open_portal(tenant), "end_now")
    assert until(lambda: plan_of(tenant) == "free") < 2
    page = usage_page(tenant)
    assert "Upgrade to Team" in page
    assert "Manage billing" in page, "invoices stay within reach"
    live.pay(open_checkout(tenant))
    until(lambda: plan_of(tenant) == "team")


def test_an_unpaid_plan_holds_for_its_days_of_grace(shop: Stand, settings: Any) -> None:
    tenant = subscribed(shop, LATER_BAD)
    customer = str(account(tenant).stripe_customer)
    name = shop.subscription(customer)["id"]
    shop.call("POST", f"/_test/subscriptions/{name}/renew")
    deliver(shop.events(customer))
    row = account(tenant)
    assert (row.status, plan_of(tenant)) == ("past_due", "team")
    assert row.grace_until is not None
    page = usage_page(tenant)
    assert "The last payment failed. Team stays until" in page
    assert "Upgrade to" not in page, "a new card, not a second subscription"
    with tenant_scope(tenant.pk):
        Account.objects.update(grace_until=row.grace_until - dt.timedelta(days=14))
    assert plan_of(tenant) == "free"
    assert "the days of grace ended" in usage_page(tenant)
    shop.call("POST", f"/_test/customers/{customer}/card", number=GOOD)
    deliver(shop.events(customer))
    assert (account(tenant).status, plan_of(tenant)) == ("active", "team")
    assert account(tenant).grace_until is None


def test_a_plan_that_an_operator_gave_is_not_taken_by_a_customer_without_subscription(
    shop: Stand,
) -> None:
    tenant = make_tenant()
    open_checkout(tenant)
    with tenant_scope(tenant.pk):
        services.account_set_plan(actor=owner_of(tenant), plan="team")
    deliver(shop.events(str(account(tenant).stripe_customer)))
    reconcile.delay()
    assert plan_of(tenant) == "team"


# --- Events -----------------------------------------------------------------------------------


def test_forged_old_and_unreadable_events_get_400_and_leave_nothing(
    shop: Stand, settings: Any
) -> None:
    event = {
        "id": "evt_1", "object": "event", "type": "x", "data": {"object": {"object": "x"}},
    }  # fmt: skip
    body, good = signed(event, SECRET)
    tampered = body.replace(b"evt_1", b"evt_2")
    bad = [
        signed(event, "whsec_other"), (tampered, good), signed(event, SECRET, age=301),
        (body, ""), (body, "t=1"), (body, "t=x,v1=y"), (body, good[:-1] + "é"),
        (b"\xff\xfe", good), (body, f"{good[:-4]}0000"),
    ]  # fmt: skip
    for forged, signature in bad:
        answer = send(forged, signature)
        assert (answer.status_code, answer.json()["code"]) == (400, "signature_invalid")
    settings.STRIPE_WEBHOOK_SECRETS = []
    assert send(body, good).status_code == 400
    assert StripeEvent.objects.count() == 0
    assert Client().get("/stripe/webhook").status_code == 405


def test_both_secrets_are_taken_while_the_endpoints_secret_is_rotated(
    shop: Stand, settings: Any
) -> None:
    settings.STRIPE_WEBHOOK_SECRETS = ["whsec_new", SECRET]
    event = {"id": "evt_r", "object": "event", "type": "product.updated"}
    event["data"] = {"object": {"id": "prod_1", "object": "product"}}  # type: ignore[assignment]
    for secret in ("whsec_new", SECRET):
        assert send(*signed(event, secret)).status_code == 200
    assert send(*signed(event, "whsec_old")).status_code == 400
    stored = StripeEvent.objects.get()
    assert (stored.id, stored.error) == ("evt_r", "")
    assert stored.processed_at is not None, "about nobody: nothing is to be done"


def test_an_event_of_a_customer_who_is_not_ours_is_put_aside(shop: Stand) -> None:
    made = shop.call("POST", "/v1/customers", name="Somebody else's")
    deliver(shop.events(made["id"]))
    stored = StripeEvent.objects.get()
    assert (stored.error, stored.processed_at is not None) == ("customer_unknown", True)


def test_an_event_waits_while_stripe_is_away_and_the_sweep_finishes_it(
    shop: Stand, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = make_tenant()
    shop.pay(open_checkout(tenant))
    events = shop.events(str(account(tenant).stripe_customer))
    settings.STRIPE_API_URL = "http://127.0.0.1:9"
    deliver(events[-1:])
    stored = StripeEvent.objects.get()
    assert (stored.processed_at, stored.error) == (None, "stripe_unreachable")
    settings.STRIPE_API_URL = shop.url
    assert sweep_events.delay().get() == 0, "too fresh: its own bell may still ring"
    monkeypatch.setattr(services, "SWEEP_AFTER", dt.timedelta(0))
    assert sweep_events.delay().get() == 1
    stored.refresh_from_db()
    assert (stored.processed_at is not None, stored.error) == (True, "")
    assert plan_of(tenant) == "team"


def test_the_daily_comparison_makes_good_what_lost_events_left(shop: Stand) -> None:
    tenant = make_tenant()
    shop.pay(open_checkout(tenant))
    assert plan_of(tenant) == "free"
    reconcile.delay()
    assert plan_of(tenant) == "team"


def test_an_answer_that_comes_late_never_replaces_a_newer_one(
    shop: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = subscribed(shop)
    real, actor = gateway.subscription_find, access.system(tenant.pk)

    def slow(customer: str) -> gateway.Subscription | None:
        found = real(customer)
        monkeypatch.setattr(gateway, "subscription_find", real)
        # Before this answer is written the subscription ends, and that is seen and written.
        shop.press(open_portal(tenant), "end_now")
        services.account_sync(actor=actor)
        return found

    monkeypatch.setattr(gateway, "subscription_find", slow)
    services.account_sync(actor=actor)
    assert plan_of(tenant) == "free"


def test_a_price_that_is_no_plans_leaves_the_account_and_the_event_open(shop: Stand) -> None:
    tenant = subscribed(shop)
    customer = str(account(tenant).stripe_customer)
    before, product = state(tenant), shop.call("GET", "/v1/products")["data"][0]
    other = shop.call(
        "POST", "/v1/prices", product=product["id"], currency="eur", unit_amount="1",
        **{"recurring[interval]": "month"},
    )  # fmt: skip
    shop.press(open_portal(tenant), f"switch:{other['id']}")
    deliver(shop.events(customer)[-1:])
    assert state(tenant) == before
    assert StripeEvent.objects.get(processed_at=None).error == "price_unknown"


STORY = ["pay", "end", "resume", "bad_card", "renew", "good_card", "renew", "end_now", "pay", "end"]
"""What happens to a customer of Stripe; more than 30 events."""


def act(shop: Stand, tenant: Tenant, step: str) -> None:
    if step == "pay":
        assert shop.pay(open_checkout(tenant)).status_code == 303
        return
    customer = str(account(tenant).stripe_customer)
    if step == "renew":
        name = shop.subscription(customer)["id"]
        shop.call("POST", f"/_test/subscriptions/{name}/renew")
    elif step.endswith("card"):
        number = LATER_BAD if step == "bad_card" else GOOD
        shop.call("POST", f"/_test/customers/{customer}/card", number=number)
    else:
        assert shop.press(open_portal(tenant), step).status_code == 303


def live_through(shop: Stand, pick: Callable[[list[Any]], list[Any]]) -> Tenant:
    """Let the story happen; after each step deliver what `pick` takes of the events that wait."""
    tenant, seen, waiting = make_tenant(), set(), []
    for step in STORY:
        act(shop, tenant, step)
        every = shop.events(str(account(tenant).stripe_customer))
        waiting += [one for one in every if one["id"] not in seen]
        seen |= {one["id"] for one in every}
        taken = pick(waiting)
        deliver(taken)
        names = {one["id"] for one in taken}
        waiting = [one for one in waiting if one["id"] not in names]
    assert len(seen) >= 30
    deliver(random.Random(SEED).sample(waiting, len(waiting)))
    return tenant


def without_dates(tenant: Tenant) -> dict[str, object]:
    """Return the state, with moments of this very subscription as distances."""
    found, row = state(tenant), account(tenant)
    assert row.period_start is not None
    for name in ("period_start", "period_end", "ends_at", "grace_until"):
        moment = getattr(row, name)
        found[name] = None if moment is None else moment - row.period_start
    found["stripe_subscription"] = bool(row.stripe_subscription)
    return found


@pytest.mark.parametrize("number", range(20 if os.environ.get("MODELYARD_DEEP") else 5))
def test_events_in_any_order_doubled_and_late_end_in_the_same_state(
    shop: Stand, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Tasks run in this very thread and would open a connection each.
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", None)
    connection.close()
    print(f"seed {SEED} + {number}")
    dice = random.Random(SEED + number)

    def some(waiting: list[Any]) -> list[Any]:
        taken = dice.sample(waiting, dice.randint(0, len(waiting)))
        return dice.sample(taken * 2, len(taken) * 2)

    shuffled = live_through(shop, some)
    stands = shop.subscription(str(account(shuffled).stripe_customer))
    item = stands["items"]["data"][0]
    moments = (item["current_period_start"], item["current_period_end"], stands["cancel_at"])
    start, end, ends = (dt.datetime.fromtimestamp(one, tz=dt.UTC) for one in moments)
    assert state(shuffled) == {
        "plan": "team", "status": "active", "stripe_subscription": stands["id"],
        "period_start": start, "period_end": end, "ends_at": ends, "grace_until": None,
    }  # fmt: skip
    assert StripeEvent.objects.filter(processed_at=None).count() == 0
    if number == 0:
        in_order = live_through(shop, list)
        assert without_dates(shuffled) == without_dates(in_order)


# --- Pricing, sign-up, and no billing ---------------------------------------------------------


def test_the_pricing_page_is_made_from_the_plans(shop: Stand) -> None:
    for language, word in (("en", "Pricing"), ("zh-hans", "")):
        answer = Client().get("/pricing", headers={"Accept-Language": language})
        text = text_of(answer.content.decode())
        assert answer.status_code == 200
        assert word in text
        for amount in ("€0", "€49", "1,000", "100,000", "20,000", "1,000,000"):
            assert amount in text
    assert "/accounts/signup/?plan=team" in answer.content.decode()


def test_a_sign_up_from_a_plan_leads_to_buying_it(shop: Stand) -> None:
    tenant = make_tenant()
    client = Client()
    assert client.get("/accounts/signup/?plan=team").status_code == 200
    client.force_login(tenant.memberships.get().user)
    answer = client.get("/")
    assert answer.headers["Location"] == f"/t/{tenant.slug}/usage/?plan=team"
    assert "One step left" in usage_page(tenant, "?plan=team", client)
    assert client.get("/").headers["Location"] == f"/t/{tenant.slug}/"
    # Whoever is signed in already goes straight there.
    assert client.get("/accounts/signup/?plan=team").headers["Location"] == "/"
    assert "usage/?plan=team" in client.get("/").headers["Location"]
    # A free plan, or none of ours, is nothing to buy.
    client.get("/accounts/signup/?plan=team")
    client.get("/accounts/signup/?plan=gold")
    assert client.get("/").headers["Location"] == f"/t/{tenant.slug}/"


def test_pages_may_send_the_browser_to_stripe_and_nowhere_else(shop: Stand) -> None:
    policy = Client().get("/pricing").headers["Content-Security-Policy"]
    rule = next(one for one in policy.split("; ") if one.startswith("form-action"))
    assert len(rule.split()) == 3, rule


def test_without_billing_every_page_works_and_nothing_is_sold(settings: Any) -> None:
    from tests.integration.test_isolation import ABSENT, PAGES, known

    settings.BILLING = "off"
    tenant = make_tenant()
    values, client = known(tenant), owner(tenant)
    members = Membership.objects.filter(tenant=tenant).count()
    for route in PAGES:
        answer = client.get(route.filled(values))
        found = answer.status_code in {200, 302, 405, 409, 422}
        found = found or any(code in answer.content.decode() for code in ABSENT)
        assert found, (route, answer.content.decode()[-1500:])
    for path in ("/pricing", "/accounts/signup/?plan=team", "/accounts/login/"):
        assert Client().get(path).status_code == 200
    page = usage_page(tenant, "?checkout=success&plan=team")
    assert "Self-hosted plan" in page
    for word in ("Upgrade", "Manage billing", "Waiting", "€"):
        assert word not in page
    assert "nothing is limited" in Client().get("/pricing").content.decode()
    for path in ("checkout", "portal"):
        answer = client.post(f"/t/{tenant.slug}/usage/{path}", {"plan": "team"})
        assert answer.status_code == 404
    answer = send(*signed({"id": "evt_1"}, SECRET))
    assert (answer.status_code, json.loads(answer.content)["code"]) == (404, "no_billing")
    assert client.get("/").headers["Location"] == f"/t/{tenant.slug}/"
    assert Membership.objects.filter(tenant=tenant).count() == members
    assert plan_of(tenant) == plans.SELF_HOSTED.name
