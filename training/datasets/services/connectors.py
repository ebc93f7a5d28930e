"""Connectors: made, edited, paused, removed. What they need is checked before anything is asked."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.utils.translation import gettext as _

from modelyard.core import clock, ids, outbound, sealing
from modelyard.core.errors import Invalid
from tenants import access, audit
from tenants.access import Actor
from training.datasets import selectors
from training.datasets.connector_selectors import connector_get
from training.datasets.models import Connector, Pull
from training.datasets.services import work
from training.datasets.services.files import PURPOSE
from training.datasets.services.pulls import next_at

MAX_CONNECTORS = 50
"""Of one dataset."""
DEFAULT_PAGES = 200
Config = Mapping[str, Any]


def connector_create(
    *,
    actor: Actor,
    dataset_id: uuid.UUID,
    kind: str,
    name: str,
    config: Config,
    secret: str = "",
    schedule: str = "none",
) -> Connector:
    """Make a connector; needs an open scope. Its first pull is ordered apart (`pull_start`).

    Args:
        actor: Who.
        dataset_id: Where the rows will go.
        kind: One of `Connector.Kind`.
        name: As people call it.
        config: By kind, see `Connector`.
        secret: The secret key to a bucket (kind `s3`).
        schedule: One of `Connector.Schedule`.

    Raises:
        Invalid: Kind, name, schedule, config or secret is wrong; the field is named.
        NotFound: No such dataset.
    """
    access.require(actor, "data.write")
    dataset = selectors.dataset_get(dataset_id)
    if Connector.objects.filter(dataset=dataset).count() >= MAX_CONNECTORS:
        raise Invalid(
            _("A dataset may have %(n)d connectors. Remove one first.") % {"n": MAX_CONNECTORS},
            code="too_many_connectors",
        )
    _check_choice("kind", kind, Connector.Kind.values)
    if kind == Connector.Kind.S3 and not secret:
        raise _wrong("secret_key", _("Give the secret key."))
    connector = Connector(
        id=ids.new(),
        dataset=dataset,
        kind=kind,
        name=_checked_name(name),
        config=_checked_config(kind, config),
        schedule=_checked_schedule(schedule),
        next_at=next_at(schedule),
    )
    if kind == Connector.Kind.S3:
        connector.secret_sealed = _sealed(connector, secret)
    connector.save(force_insert=True)
    audit.record(actor, "connector.created", connector, name=connector.name, kind=kind)
    return connector


def connector_update(
    *,
    actor: Actor,
    connector_id: uuid.UUID,
    name: str | None = None,
    config: Config | None = None,
    secret: str = "",
    schedule: str | None = None,
    paused: bool | None = None,
) -> Connector:
    """Change what is given; an empty `secret` keeps the old one. Needs an open scope.

    Raises:
        Invalid: As `connector_create`; `secret_needed`: a bucket at another endpoint needs its
            secret entered anew, so that nobody sends the stored one elsewhere.
        NotFound: There is none.
    """
    access.require(actor, "data.write")
    connector_get(connector_id)
    connector = Connector.objects.select_for_update().get(pk=connector_id)
    before = dict(connector.config)
    if name is not None:
        connector.name = _checked_name(name)
    if config is not None:
        connector.config = _checked_config(connector.kind, {**before, **config})
    if connector.kind == Connector.Kind.S3:
        if secret:
            connector.secret_sealed = _sealed(connector, secret)
        elif connector.config["endpoint"] != before["endpoint"]:
            raise _wrong(
                "secret_key", _("Enter the secret key again for another endpoint."), "secret_needed"
            )
    if paused is not None:
        connector.paused = paused
    if schedule is not None and schedule != connector.schedule:
        connector.schedule = _checked_schedule(schedule)
        connector.next_at = next_at(schedule)
    elif paused is False and connector.next_at is not None:
        connector.next_at = max(connector.next_at, clock.now())
    connector.save()
    audit.record(actor, "connector.changed", connector, name=connector.name)
    return connector


def connector_delete(*, actor: Actor, connector_id: uuid.UUID) -> None:
    """Remove a connector and the log of its pulls; rows stay. Needs an open scope.

    A pull at work is cancelled; what it handed over already stays.

    Raises:
        NotFound: There is none.
    """
    access.require(actor, "data.write")
    connector = connector_get(connector_id)
    for pull in Pull.objects.filter(connector=connector, status__in=["waiting", "running"]):
        work.cancel(actor=actor, row=pull)
    audit.record(actor, "connector.deleted", connector, name=connector.name)
    connector.delete()


def _sealed(connector: Connector, secret: str) -> bytes:
    return sealing.seal(secret, purpose=PURPOSE, bound_to=connector.pk.bytes)


def _wrong(field: str, sentence: str, code: str = "connector_wrong") -> Invalid:
    return Invalid(sentence, code=code, fields={field: [sentence]})


def _check_choice(field: str, value: str, allowed: list[str]) -> None:
    if value not in allowed:
        raise _wrong(field, _("Choose one of: %(all)s.") % {"all": ", ".join(allowed)})


def _checked_name(name: str) -> str:
    name = name.strip()
    if not name or len(name) > 120 or "\x00" in name:
        raise _wrong("name", _("Give a name of at most 120 characters."))
    return name


def _checked_schedule(schedule: str) -> str:
    _check_choice("schedule", schedule, Connector.Schedule.values)
    return schedule


def _checked_config(kind: str, config: Config) -> dict[str, Any]:
    """Return the config with nothing else in it; no name is resolved and nothing is asked."""
    if kind == Connector.Kind.S3:
        return _checked_bucket(config)
    found: dict[str, Any] = {"url": _checked_url("url", str(config.get("url") or ""))}
    if kind != Connector.Kind.URL:
        most = int(config.get("max_pages") or min(DEFAULT_PAGES, settings.CRAWL_MAX_PAGES))
        if not 1 <= most <= settings.CRAWL_MAX_PAGES:
            sentence = _("Choose 1 to %(most)d pages.") % {"most": settings.CRAWL_MAX_PAGES}
            raise _wrong("max_pages", sentence)
        found["max_pages"] = most
    return found


def _checked_bucket(config: Config) -> dict[str, Any]:
    names = ("endpoint", "bucket", "prefix", "region", "access_key")
    given = {name: str(config.get(name) or "").strip() for name in names}
    given["endpoint"] = _checked_url("endpoint", given["endpoint"]).rstrip("/")
    given["region"] = given["region"] or "us-east-1"
    for name in ("bucket", "access_key"):
        if not given[name]:
            raise _wrong(name, _("This is needed."))
    for name in names[1:]:
        if len(given[name]) > 1024 or any(ord(one) < 32 for one in given[name]):
            raise _wrong(name, _("This is too long, or holds a control character."))
    if "/" in given["bucket"]:
        raise _wrong("bucket", _("Give the bucket's name alone; a folder goes into the prefix."))
    return given


def _checked_url(field: str, url: str) -> str:
    try:
        outbound.target_of(url.strip())
    except Invalid as error:
        raise Invalid(error.message, code=error.code, fields={field: [error.message]}) from error
    return url.strip()
