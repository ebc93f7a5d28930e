"""Events as people read them: who, what, on what, with facts and seal."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from tenants import selectors as tenants
from tenants.models import ApiKey, AuditEvent, Tenant
from tenants.trail import proof, words
from tenants.trail.models import Seal


@dataclass(frozen=True)
class Row:
    """One line of the page.

    Attributes:
        who_filter: The filter that shows what the same actor did.
        name: What the thing is called, where the event says it, or ''.
        url: Page of the thing, or ''.
        reason: Why, where the event says it: our staff must.
        facts: Name and text of each other fact.
    """

    id: uuid.UUID
    at: dt.datetime
    icon: str
    action: str
    act: str
    who: str
    who_kind: str
    who_filter: str
    thing: str
    name: str
    url: str
    thing_filter: str
    reason: str
    facts: list[tuple[str, str]]
    request_id: str
    seal: Seal | None


def actor_names(tenant: Tenant, events: Iterable[AuditEvent]) -> dict[tuple[str, str], str]:
    """Return (kind, id) -> what people call the actor."""
    found = {(event.actor_kind, event.actor_id) for event in events}
    people = tenants.people_named([_id for kind, _id in found if kind == "user"])
    keys = _key_names(tenant, [_id for kind, _id in found if kind == "key"])
    named = {"user": people, "key": keys}
    return {
        (kind, _id): named.get(kind, {}).get(_id) or str(words.ACTORS.get(kind, kind))
        for kind, _id in found
    }


def _key_names(tenant: Tenant, key_ids: Sequence[str]) -> dict[str, str]:
    keys = ApiKey.objects.filter(tenant=tenant, pk__in=key_ids)
    return {str(key.pk): _("API key %(name)s") % {"name": key.name} for key in keys}


def rows(tenant: Tenant, events: Sequence[AuditEvent], seals: dict[uuid.UUID, Seal]) -> list[Row]:
    """Return events as lines of the page."""
    names = actor_names(tenant, events)
    found = []
    for event in events:
        icon, act = words.act(event.action)
        named = event.actor_kind in {"user", "key", "staff"}
        name = str(event.facts.get("name") or event.facts.get("filename") or "")
        found.append(
            Row(
                id=event.pk,
                at=event.created_at,
                icon=icon,
                action=event.action,
                act=act,
                who=_who(event, names),
                who_kind=event.actor_kind,
                who_filter=f"{event.actor_kind}:{event.actor_id}" if named else event.actor_kind,
                thing=str(words.OBJECTS.get(event.object_kind, event.object_kind)),
                name=name,
                url=_url(tenant, event),
                thing_filter=f"{event.object_kind}:{event.object_id}",
                reason=str(event.facts.get("reason") or ""),
                facts=[(key.replace("_", " "), _text(value)) for key, value in _facts(event)],
                request_id=event.request_id,
                seal=seals.get(event.pk),
            )
        )
    return found


def _who(event: AuditEvent, names: dict[tuple[str, str], str]) -> str:
    """Return who acted; of our staff the event itself says the name."""
    name = names[event.actor_kind, event.actor_id]
    person = str(event.facts.get("who") or "") if event.actor_kind == "staff" else ""
    return f"{name} ({person})" if person else name


def _facts(event: AuditEvent) -> list[tuple[str, object]]:
    return [
        (key, value)
        for key, value in event.facts.items()
        if value not in ("", None, [], {}) and key != "reason"
    ]


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(one, str | int | float) for one in value):
        return ", ".join(map(str, value))
    return proof.canonical(value)


def _url(tenant: Tenant, event: AuditEvent) -> str:
    """Return the address of the page that shows the thing, '' where there is none."""
    route, take = words.PAGES.get(event.object_kind, ("", None))
    taken = take(event.object_id, event.facts) if take else ""
    if taken == "":
        return ""
    try:
        return reverse(route, args=[tenant.slug, *([taken] if taken is not None else [])])
    except NoReverseMatch:
        # Whatever a row says, spoilt or not: the page that would show it must open.
        return ""
