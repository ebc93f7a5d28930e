"""Which events are asked for, as the query of an address says it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass

from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.translation import gettext as _

from modelyard.core.errors import Invalid
from tenants.models import AuditEvent

_SHAPES = {
    "actor": re.compile(r"(user|key|staff|system)(:[\w.@-]{1,64})?"),
    "action": re.compile(r"[a-z_]{1,31}(\.[a-z_]{1,32})?"),
    "object": re.compile(r"[a-z_]{1,32}(:[\w.-]{1,64})?"),
}
_MOMENT = "2026-11-25, 2026-11-25T12:00:00Z"
_EXAMPLES = {"actor": "user:<id>, key:<id>, staff", "action": "run, run.submitted",
             "object": "run, run:<id>"}  # fmt: skip


@dataclass(frozen=True)
class Filters:
    """What to show; '' is everything.

    Attributes:
        actor: Kind of an actor, or `kind:id`.
        action: `run.submitted`, or `run` for all that begins with `run.`.
        object: Kind of a thing, or `kind:id`.
        since: Day (UTC) or moment from which on, as in the address (`from`).
        until: Day (UTC, included) or moment up to which (`to`).
    """

    actor: str = ""
    action: str = ""
    object: str = ""
    since: str = ""
    until: str = ""

    def given(self) -> dict[str, str]:
        """Return what is set, by the names of the address."""
        named = {
            "actor": self.actor,
            "action": self.action,
            "object": self.object,
            "from": self.since,
            "to": self.until,
        }
        return {name: value for name, value in named.items() if value}

    def apply(self, rows: QuerySet[AuditEvent]) -> QuerySet[AuditEvent]:
        """Return the rows that are asked for."""
        kind, _colon, actor_id = self.actor.partition(":")
        what, _colon, object_id = self.object.partition(":")
        wanted = Q()
        for name, value in (
            ("actor_kind", kind),
            ("actor_id", actor_id),
            ("object_kind", what),
            ("object_id", object_id),
        ):
            wanted &= Q(**{name: value}) if value else Q()
        if self.action:
            exact = "." in self.action
            wanted &= Q(action=self.action) if exact else Q(action__startswith=f"{self.action}.")
        if self.since:
            wanted &= Q(created_at__gte=_moment("from", self.since))
        if self.until:
            wanted &= Q(created_at__lt=_moment("to", self.until))
        return rows.filter(wanted)


def parse(query: Mapping[str, str]) -> Filters:
    """Read the filters of an address.

    Raises:
        Invalid: `filter_invalid`, with the name of the filter.
    """
    found = {name: query.get(name, "").strip() for name in (*_SHAPES, "from", "to")}
    for name, shape in _SHAPES.items():
        if found[name] and not shape.fullmatch(found[name]):
            raise _invalid(name, _EXAMPLES[name])
    for name in ("from", "to"):
        if found[name]:
            _moment(name, found[name])
    return Filters(found["actor"], found["action"], found["object"], found["from"], found["to"])


def _invalid(name: str, example: str) -> Invalid:
    return Invalid(
        _("The filter “%(name)s” can't be read. Write it like this: %(example)s.")
        % {"name": name, "example": example},
        code="filter_invalid",
        fields={name: [example]},
    )


def _moment(name: str, text: str) -> dt.datetime:
    """Return the moment that `text` means; a day as an end means its last moment."""
    try:
        day = parse_date(text)
        moment = None if day else parse_datetime(text.replace(" ", "+"))
        if day is not None:
            moment = dt.datetime.combine(day, dt.time(), dt.UTC)
            moment += dt.timedelta(days=1 if name == "to" else 0)
        if moment is not None:
            return (moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).astimezone(dt.UTC)
    except (ValueError, OverflowError) as error:
        raise _invalid(name, _MOMENT) from error
    raise _invalid(name, _MOMENT)
