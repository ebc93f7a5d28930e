"""Pages of the audit log: what happened, and the copy to keep."""

from __future__ import annotations

from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from modelyard.core import clock
from modelyard.core.http.pagination import keyset
from tenants import selectors as tenants
from tenants.http import actor_of, long_lived, requires, tenant_of
from tenants.models import Tenant
from tenants.scoping.context import tenant_scope
from tenants.trail import documents, filters, proof, rows, selectors, services, words
from tenants.trail.filters import Filters
from tenants.trail.models import Seal

SIZE = 50
EXPORT_ROWS = 500


@require_GET
@requires("audit.read")
def event_list(request: HttpRequest) -> HttpResponse:
    """Show who did what, newest first."""
    tenant, asked = tenant_of(request), filters.parse(request.GET)
    page = keyset(asked.apply(selectors.event_list()), request.GET.get("cursor", ""), size=SIZE)
    context = {
        "rows": rows.rows(tenant, page.rows, selectors.seals_of(page.rows)),
        "page": page,
        "filters": asked.given(),
        "actors": _actors(tenant, asked),
        "acts": _acts(),
        "objects": _objects(asked),
        "head": selectors.head(),
    }
    return render(request, "settings/audit.html", context)


def _actors(tenant: Tenant, asked: Filters) -> list[tuple[str, str]]:
    """Return the choices of the filter "who": people, keys, staff, the platform itself."""
    found = [(f"user:{user.pk}", str(user)) for user in selectors.members(tenant.pk)]
    found += [(f"key:{key.pk}", key.name) for key in tenants.key_list(tenant.pk)]
    found += [(kind, str(words.ACTORS[kind])) for kind in ("staff", "system")]
    if asked.actor and asked.actor not in dict(found):
        found.append((asked.actor, _someone(asked.actor)))
    return found


def _someone(actor: str) -> str:
    kind, _colon, actor_id = actor.partition(":")
    words_of = str(words.ACTORS[kind])
    return tenants.people_named([actor_id]).get(actor_id, words_of) if kind == "user" else words_of


def _acts() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return the choices of the filter "what" under their headings."""
    found: dict[str, list[tuple[str, str]]] = {}
    for action, (_icon, text) in words.ACTS.items():
        heading = str(words.GROUPS[action.partition(".")[0]])
        found.setdefault(heading, []).append((action, str(text)))
    return list(found.items())


def _objects(asked: Filters) -> list[tuple[str, str]]:
    found = [(kind, str(noun)) for kind, noun in words.OBJECTS.items()]
    kind, colon, object_id = asked.object.partition(":")
    if colon:
        noun = str(words.OBJECTS.get(kind, kind))
        found.append((asked.object, f"{noun} …{object_id[-8:]}"))
    return found


@require_GET
@long_lived
@requires("audit.read")
def event_export(request: HttpRequest) -> StreamingHttpResponse:
    """Download events with their seals, oldest seal first, as JSON lines."""
    tenant, asked = tenant_of(request), filters.parse(request.GET)
    with tenant_scope(tenant.pk):
        services.export_note(actor=actor_of(request), tenant=tenant, filters=asked.given())
        head, retired = selectors.head(), selectors.retired_seq()
    response = StreamingHttpResponse(
        _lines(tenant, asked, head, retired), content_type="application/jsonl; charset=utf-8"
    )
    name = f"audit-{tenant.slug}-{clock.now():%Y%m%d-%H%M%S}.jsonl"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _lines(tenant: Tenant, asked: Filters, head: selectors.Head, retired: int) -> Iterator[str]:
    """Yield the file, a short transaction a few hundred lines: a slow reader holds none open."""
    first = {
        "format": proof.FORMAT,
        "tenant_id": str(tenant.pk),
        "workspace": tenant.name,
        "exported_at": documents.moment(clock.now()),
        "filters": asked.given(),
        "retired": retired,
        "seq": head.seq,
        "hash": head.hash,
    }
    yield proof.canonical(first) + "\n"
    seq = 0
    while seq < head.seq:
        with tenant_scope(tenant.pk):
            seals = [one for one in selectors.seals_after(seq, EXPORT_ROWS) if one.seq <= head.seq]
            lines = _sealed_lines(seals, asked)
        if not seals:
            return
        seq = seals[-1].seq
        yield "".join(lines)
    with tenant_scope(tenant.pk):
        yield "".join(
            documents.line(event, None, "")
            for event in selectors.unsealed_events(asked.apply(selectors.event_list()), head.seq)
        )


def _sealed_lines(seals: list[Seal], asked: Filters) -> list[str]:
    ids = [seal.event_id for seal in seals]
    events = {row.pk: row for row in asked.apply(selectors.event_list()).filter(pk__in=ids)}
    before = selectors.hashes_before(seals)
    return [
        documents.line(events[seal.event_id], seal, before[seal.seq])
        for seal in seals
        if seal.event_id in events
    ]
