"""Tags and filters of the design system: icons, states, fields, numbers and charts."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django import forms, template
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from modelyard.web import svg
from modelyard.web.words import STATES

register = template.Library()

ICONS: dict[str, str] = json.loads(
    (Path(__file__).resolve().parents[1] / "icons.json").read_text(encoding="utf-8")
)


@register.inclusion_tag("components/icon.html")
def icon(name: str, css: str = "") -> dict[str, str]:
    """Write one icon of the committed subset inline.

    Raises:
        TemplateSyntaxError: the subset has no such icon; add it to static/vendor/build.mjs.
    """
    if name not in ICONS:
        message = f"No icon {name!r}: add it to static/vendor/build.mjs and run `npm run vendor`."
        raise template.TemplateSyntaxError(message)
    return {"paths": ICONS[name], "css": css}


@register.inclusion_tag("components/status.html")
def status(state: str, word: str = "") -> dict[str, Any]:
    """Write the mark and the word of a state; `word` replaces the word."""
    tone, known = STATES.get(str(state), ("", str(state)))
    return {"tone": tone, "word": word or known, "state": state}


@register.inclusion_tag("components/nav_link.html", takes_context=True)
def nav_link(
    context: template.Context,
    route: str,
    icon_name: str,
    label: str,
    count: Any = "",
    more: str = "",
) -> dict[str, Any]:
    """Write one line of the sidebar.

    It is current when the page is of the route's namespace, or of one of `more` (by spaces).
    """
    request = context.get("request")
    match = getattr(request, "resolver_match", None)
    spaces = {route.partition(":")[0], *more.split()}
    return {
        "url": reverse(route, args=[context["tenant"].slug]),
        "icon_name": icon_name,
        "label": label,
        "count": count,
        "current": match is not None and not spaces.isdisjoint(match.namespaces),
    }


CSS_BY_INPUT = {
    "checkbox": "checkbox checkbox-sm checkbox-primary",
    "radio": "radio radio-sm radio-primary",
    "file": "file-input w-full",
    "select": "select w-full",
    "textarea": "textarea w-full",
}


@register.inclusion_tag("components/field.html")
def field(bound: forms.BoundField, css: str = "", hint: str = "") -> dict[str, Any]:
    """Write a form field: label, control, help and errors, tied together for assistive tools."""
    widget = bound.field.widget
    kind = "textarea" if isinstance(widget, forms.Textarea) else getattr(widget, "input_type", "")
    attrs: dict[str, Any] = {"class": f"{CSS_BY_INPUT.get(kind, 'input w-full')} {css}".strip()}
    described = [f"{bound.id_for_label}-hint"] if hint or bound.help_text else []
    if bound.errors:
        described.append(f"{bound.id_for_label}-error")
        attrs["aria-invalid"] = "true"
    if described:
        attrs["aria-describedby"] = " ".join(described)
    several = isinstance(widget, (forms.RadioSelect, forms.CheckboxSelectMultiple))
    if several:
        widget.attrs.update(attrs)  # read by each option; a form's widgets are its own copies
    return {
        "field": bound,
        "control": "" if several else bound.as_widget(attrs=attrs),
        "hint": hint or bound.help_text,
        "kind": kind,
        "several": several,
    }


def _missing(value: Any) -> bool:
    """Say whether there is nothing to show; an unknown variable reaches a filter as ""."""
    return value is None or value == ""


@register.filter
def number(value: Any) -> str:
    """Write a count with thousands separators; nothing known is a dash."""
    return "–" if _missing(value) else svg.number(value)


@register.filter
def plain(value: float | str | None) -> str:
    """Write a number for programs: no grouping, a decimal point, nothing for nothing."""
    return "" if value is None else str(value)


@register.filter
def loss(value: Any) -> str:
    """Write a loss with four decimals; a step without one stays empty."""
    return "" if _missing(value) else f"{value:.4f}"


@register.filter
def score(value: Any) -> str:
    """Write a score of 0 to 1 with three decimals."""
    return "–" if _missing(value) else f"{value:.3f}"


@register.filter
def signed(value: Any) -> str:
    """Write a difference of scores in points with its sign: 0.065 is +6.5."""
    return "–" if _missing(value) else f"{100 * value:+.1f}".replace("-", "−")


@register.filter
def percent(value: Any, digits: int = 1) -> str:
    """Write a share of 0 to 1 as a percentage."""
    return "–" if _missing(value) else f"{100 * value:.{digits}f}%"


@register.filter
def clock(seconds: Any) -> str:
    """Write a duration in seconds as 0:08, 11:20 or 1:02:03."""
    if _missing(seconds):
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


@register.filter
def eta(seconds: Any) -> str:
    """Write a remaining time in seconds as a range, since an estimate is never exact."""
    if _missing(seconds):
        return _("estimating")
    low, high = 0.9 * seconds, 1.15 * seconds + 1
    if high < 60:
        return _("%(low)d–%(high)d s left") % {"low": max(low, 1), "high": high}
    low, high = int(low // 60), int(-(-high // 60))
    if low == 0:
        return _("under %(high)d min left") % {"high": high}
    return _("%(low)d–%(high)d min left") % {"low": low, "high": high}


@register.inclusion_tag("components/ago.html")
def ago(moment: datetime | str | None) -> dict[str, Any]:
    """Write when something happened: relative, with the exact time on hover."""
    if not isinstance(moment, datetime):
        return {"text": "–"}
    local = timezone.localtime(moment)
    return {
        "iso": moment.isoformat(timespec="seconds"),
        "exact": date_format(local, "DATETIME_FORMAT"),
        "text": _relative(timezone.now() - moment, local),
    }


def _relative(age: timedelta, local: datetime) -> str:
    minutes = int(age.total_seconds() // 60)
    if minutes < 1:
        return _("just now")
    if minutes < 60:
        return ngettext("%(n)d min ago", "%(n)d min ago", minutes) % {"n": minutes}
    if minutes < 24 * 60:
        return ngettext("%(n)d h ago", "%(n)d h ago", minutes // 60) % {"n": minutes // 60}
    if minutes < 48 * 60:
        return _("yesterday")
    same_year = local.year == timezone.localtime().year
    form = pgettext("date", "j M") if same_year else pgettext("date", "j M Y")
    return date_format(local, form)


@register.filter
def short(digest: str) -> str:
    """Shorten a hexadecimal digest to its ends: 9f41c0…e2."""
    return digest if len(digest) <= 12 else f"{digest[:6]}…{digest[-4:]}"


@register.inclusion_tag("components/charts/bars.html")
def bar_chart(
    key: str,
    finding: str,
    what: str,
    items: Sequence[tuple[str, float]],
    head: str,
    muted: str = "",
) -> dict[str, Any]:
    """Draw horizontal bars of (label, value) pairs, with a table of the same numbers.

    Args:
        key: unique in the page; prefix of the ids.
        finding: the chart's title, a sentence.
        what: what is shown, and its unit.
        items: the pairs, in the order of drawing.
        head: head of the label column in the table.
        muted: label of the bar that is a rest (hatched).
    """
    plot = svg.bars(items, muted=muted)
    return {"key": key, "finding": finding, "what": what, "plot": plot, "head": head}


@register.inclusion_tag("components/charts/confusion.html")
def confusion_chart(
    key: str, labels: Sequence[str], matrix: Sequence[Sequence[int]]
) -> dict[str, Any]:
    """Draw a confusion matrix; its title names the largest confusion."""
    worst = svg.worst_confusion(matrix)
    if worst is None:
        finding = _("No test example was mistaken")
    else:
        true, predicted = worst
        finding = _("%(true)s is read as %(predicted)s in %(share)s of cases") % {
            "true": labels[true],
            "predicted": labels[predicted],
            "share": svg.share(matrix[true][predicted], sum(matrix[true])),
        }
    rows = [(label, row, sum(row)) for label, row in zip(labels, matrix, strict=True)]
    plot = svg.confusion(labels, matrix)
    return {"key": key, "finding": finding, "plot": plot, "labels": labels, "rows": rows}


@register.inclusion_tag("components/charts/columns.html")
def column_chart(
    key: str, finding: str, what: str, days: Sequence[tuple[str, float]], head: str, axis: str = ""
) -> dict[str, Any]:
    """Draw one column a day of (label, value) pairs, with a table of the same numbers."""
    plot = svg.columns(days)
    return {
        "key": key, "finding": finding, "what": what, "plot": plot, "head": head, "axis": axis
    }  # fmt: skip


@register.inclusion_tag("components/charts/dots.html")
def dot_chart(
    key: str,
    finding: str,
    what: str,
    rows: Sequence[tuple[str, float, float | None, int]],
    value_name: str,
    other_name: str,
    head: str = "",
) -> dict[str, Any]:
    """Draw (label, value, compared value, count) rows as dots, the compared value as diamond.

    `head` stands above the labels in the table of the same numbers; "Label" by default.
    """
    return {
        "key": key,
        "finding": finding,
        "what": what,
        "plot": svg.dots(rows),
        "value_name": value_name,
        "other_name": other_name,
        "head": head or _("Label"),
    }


@register.inclusion_tag("components/charts/spark.html")
def spark(values: Sequence[float]) -> dict[str, Any]:
    """Draw a sparkline without axes; the number it belongs to stands beside it."""
    return {"plot": svg.spark(values)}
