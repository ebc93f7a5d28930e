"""The stand-in for Stripe answers the real library as Stripe does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import stripe

from billing import gateway, plans
from tests.stripe_stand import DECLINED, GOOD, KEY, Stand, running_stand, text_of


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    with running_stand(tmp_path_factory.mktemp("stripe") / "state.sqlite") as found:
        yield found


@pytest.fixture(scope="module")
def client(stand: Stand) -> stripe.StripeClient:
    return stripe.StripeClient(
        KEY, stripe_version=gateway.API_VERSION, base_addresses={"api": stand.url}
    )


def new_customer(client: stripe.StripeClient, **more: Any) -> str:
    return client.v1.customers.create({"name": "Acme", "metadata": {"a": "b"}, **more}).id


def price(client: stripe.StripeClient) -> Any:
    wanted: Any = {"lookup_keys": [plans.TEAM.lookup_key], "active": True}
    return client.v1.prices.list(wanted).data[0]


def checkout(client: stripe.StripeClient, customer: str, **more: Any) -> Any:
    params: Any = {
        "mode": "subscription", "customer": customer, "success_url": "http://localhost/ok",
        "cancel_url": "http://localhost/no", "line_items": [{"price": price(client).id}], **more,
    }  # fmt: skip
    return client.v1.checkout.sessions.create(params)


def test_our_plans_are_on_sale_with_their_prices(client: stripe.StripeClient) -> None:
    assert (price(client).unit_amount, price(client).currency) == (4900, "eur")


def test_the_library_of_this_version_speaks_the_version_that_we_pin() -> None:
    assert gateway.API_VERSION == stripe._ApiVersion.CURRENT


def test_a_call_repeated_under_its_idempotency_key_makes_one_thing(
    client: stripe.StripeClient,
) -> None:
    params: Any = {"name": "Once"}
    ids = {client.v1.customers.create(params, {"idempotency_key": "k1"}).id for _ in range(3)}
    assert len(ids) == 1
    other: Any = {"name": "Other"}
    with pytest.raises(stripe.IdempotencyError):
        client.v1.customers.create(other, {"idempotency_key": "k1"})


def test_lists_are_paged_by_cursors(client: stripe.StripeClient) -> None:
    mine = [new_customer(client, email="paged@example.com") for _ in range(5)]
    query: Any = {"email": "paged@example.com", "limit": 2}
    first = client.v1.customers.list(query)
    assert (first.has_more, [one.id for one in first.data]) == (True, mine[:-3:-1])
    assert [one.id for one in first.auto_paging_iter()] == mine[::-1]


def test_what_stripe_would_refuse_is_refused(client: stripe.StripeClient) -> None:
    unknown: Any = {"nickname": "x"}
    with pytest.raises(stripe.InvalidRequestError, match="unknown parameter: nickname"):
        client.v1.customers.create(unknown)
    with pytest.raises(stripe.InvalidRequestError, match="No such customer"):
        client.v1.customers.retrieve("cus_none")
    with pytest.raises(stripe.InvalidRequestError, match="Missing required param: mode"):
        client.v1.checkout.sessions.create({})
    stranger = stripe.StripeClient("sk_wrong", base_addresses=client._requestor.base_addresses)
    with pytest.raises(stripe.AuthenticationError):
        stranger.v1.customers.list()


def test_a_paid_checkout_starts_a_subscription_whose_objects_can_be_expanded(
    client: stripe.StripeClient, stand: Stand
) -> None:
    customer = new_customer(client)
    session = checkout(client, customer, subscription_data={"metadata": {"tenant_id": "t"}})
    answer = stand.pay(session.url)
    assert (answer.status_code, answer.headers["Location"]) == (303, "http://localhost/ok")
    found = client.v1.subscriptions.list(
        {"customer": customer, "expand": ["data.latest_invoice", "data.customer"]}
    ).data[0]
    assert (found.status, found.metadata["tenant_id"]) == ("active", "t")
    assert found.latest_invoice.status == "paid"  # type: ignore[union-attr]
    assert found.customer.name == "Acme"  # type: ignore[union-attr]
    days = (found["items"].data[0].current_period_end - found.start_date) / 86400
    assert 28 <= days <= 31
    again = stand.pay(session.url)
    assert (again.status_code, "This is paid" in again.text) == (400, True)
    assert len(client.v1.subscriptions.list({"customer": customer, "status": "all"}).data) == 1


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (DECLINED, "Your card was declined. Try another card; nothing was charged."),
        ("4242 4242 4242 4241", "Your card number is incorrect."),
        ("", "Your card number is incorrect."),
    ],
)
def test_a_bad_card_is_refused_with_a_sentence_and_leaves_nothing(
    client: stripe.StripeClient, stand: Stand, number: str, sentence: str
) -> None:
    customer = new_customer(client)
    session = checkout(client, customer)
    answer = stand.pay(session.url, number)
    assert answer.status_code == 402
    assert sentence in text_of(answer.text)
    assert "Sandbox: no money moves" in answer.text
    assert not client.v1.subscriptions.list({"customer": customer, "status": "all"}).data
    assert stand.pay(session.url, GOOD).status_code == 303


def test_hosted_pages_never_let_a_name_become_markup(
    client: stripe.StripeClient, stand: Stand
) -> None:
    customer = new_customer(client, name="<script>x</script>")
    params: Any = {"customer": customer, "return_url": "http://localhost/<b>"}
    page = httpx2.get(client.v1.billing_portal.sessions.create(params).url).text
    assert "<script>" not in page
    assert "<b>" not in page
    assert httpx2.get(f"{stand.url}/portal/none").status_code == 404


def test_the_state_outlives_the_process(tmp_path: Path) -> None:
    for _ in range(2):
        with running_stand(tmp_path / "kept.sqlite") as one:
            rows = one.call("GET", "/v1/customers")["data"]
            one.call("POST", "/v1/customers", name="Kept")
            prices = one.call("GET", "/v1/prices")["data"]
    assert ([row["name"] for row in rows], len(prices)) == (["Kept"], 1)
    assert "_" not in {name[0] for name in json.loads(json.dumps(rows[0]))}
