"""What each check found, in words and as bars; a text of a row is never among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as lazy
from django.utils.translation import ngettext

from modelyard.core.parts import shortened
from training.datasets.health.bins import EDGES

Result = dict[str, Any]
Bars = list[tuple[str, int]]


class Finding(NamedTuple):
    """A check's result for a page.

    Attributes:
        sentence: What was found.
        what: What the plot shows, and its unit.
        head: Head of the label column in its table.
        bars: The plot; none when there is nothing to plot.
    """

    sentence: str
    what: str
    head: str
    bars: Bars


TITLES: dict[str, str | Promise] = {
    "labels": lazy("Labels and balance"),
    "lengths": lazy("Lengths"),
    "language": lazy("Languages"),
    "repeats": lazy("Exact repeats"),
    "near": lazy("Near duplicates"),
    "conflicts": lazy("Conflicting labels"),
    "noise": lazy("Empty, garbled and marked-up texts"),
    "personal": lazy("Personal data"),
    "leakage": lazy("Leakage between splits"),
}
_NOISE: dict[str, str | Promise] = {
    "empty": lazy("Says nothing"),
    "mojibake": lazy("Garbled"),
    "html": lazy("HTML"),
}
_PERSONAL: dict[str, str | Promise] = {
    "email": lazy("E-mail address"),
    "phone": lazy("Phone number"),
    "card": lazy("Bank card"),
    "identity": lazy("Chinese ID card"),
    "ip": lazy("IP address"),
}
_SPLITS: dict[str, str | Promise] = {
    "train": lazy("train"),
    "validation": lazy("validation"),
    "test": lazy("test"),
}


def _n(value: int) -> str:
    return number_format(value, force_grouping=True)


def _labels(result: Result, _rows: int) -> Finding:
    pairs = [(name, n) for name, n in result["labels"]]
    bars: Bars = shortened(pairs, _("Others"), total=result.get("labelled"))
    if result["unlabelled"]:
        bars.append((_("Unlabelled"), result["unlabelled"]))
    if not result["count"]:
        sentence = _("No row has a label.")
    elif result["rows"]:
        sentence = ngettext(
            "%(n)s label has under 20 rows; a model hardly learns it.",
            "%(n)s labels have under 20 rows; a model hardly learns them.",
            result["rows"],
        ) % {"n": _n(result["rows"])}
    else:
        sentence = _("The most frequent label has %(ratio)s times the rows of the rarest.") % {
            "ratio": number_format(result["ratio"])
        }
    return Finding(sentence, _("Rows by label"), _("Label"), bars)


def _lengths(result: Result, rows: int) -> Finding:
    names = [f"≤ {_n(edge)}" for edge in EDGES] + [f"> {_n(EDGES[-1])}"]
    bars = list(zip(names, result["tokens"], strict=True))
    while bars and not bars[-1][1]:
        bars.pop()
    words = {"limit": _n(result["limit"]), "longest": _n(result["longest"])}
    if result["rows"]:
        sentence = ngettext(
            "%(n)s row (%(share)s%%) is longer than %(limit)s tokens; its end is cut.",
            "%(n)s rows (%(share)s%%) are longer than %(limit)s tokens; their ends are cut.",
            result["rows"],
        ) % {
            **words,
            "n": _n(result["rows"]),
            "share": number_format(100 * result["rows"] / max(1, rows), 1),
        }
    else:
        sentence = _("A model reads every text whole: the longest has %(longest)s tokens.") % words
    return Finding(sentence, _("Rows by tokens of the default base model"), _("Tokens"), bars)


def _language(result: Result, _rows: int) -> Finding:
    bars: Bars = list(result["languages"].items())[:15]
    if result["unsure"]:
        bars.append((_("Can’t tell"), result["unsure"]))
    if not result["main"]:
        sentence = _("The languages of these texts can’t be told.")
    elif not result["rows"]:
        sentence = _("Every text whose language can be told is in “%(code)s”.")
    else:
        sentence = ngettext(
            "Most texts are in “%(code)s”; %(n)s row is in another language.",
            "Most texts are in “%(code)s”; %(n)s rows are in other languages.",
            result["rows"],
        )
    words = {"code": result["main"], "n": _n(result["rows"])}
    return Finding(sentence % words, _("Rows by language"), _("Language"), bars)


def _sizes(result: Result) -> Bars:
    return [
        (ngettext("%(n)d row", "%(n)d rows", size) % {"n": size}, count)
        for size, count in result["sizes"]
    ]


def _repeats(result: Result, _rows: int) -> Finding:
    sentence = _("No text occurs twice.")
    if result["rows"]:
        sentence = ngettext(
            "%(n)s row repeats another but for case, width or space.",
            "%(n)s rows repeat others but for case, width or space.",
            result["rows"],
        ) % {"n": _n(result["rows"])}
    return Finding(sentence, _("Texts by how often they occur"), _("Occurs in"), _sizes(result))


def _near(result: Result, _rows: int) -> Finding:
    sentence = _("No two texts are nearly the same.")
    if result["rows"]:
        sentence = ngettext(
            "%(n)s row says nearly the same as another.",
            "%(n)s rows say nearly the same as others.",
            result["rows"],
        ) % {"n": _n(result["rows"])}
    return Finding(
        sentence, _("Groups of near texts by size, exact repeats included"), _("Size"),
        _sizes(result),
    )  # fmt: skip


def _conflicts(result: Result, _rows: int) -> Finding:
    sentence = _("No text has two different labels.")
    if result["texts"]:
        sentence = ngettext(
            "%(n)s text has more than one label; no model learns both.",
            "%(n)s texts have more than one label; no model learns both.",
            result["texts"],
        ) % {"n": _n(result["texts"])}
    bars = [(" / ".join(labels), n) for labels, n in result["pairs"][:15]]
    return Finding(sentence, _("Texts by the labels they have"), _("Labels"), bars)


def _kinds(result: Result, names: dict[str, str | Promise]) -> Bars:
    return [(str(names[kind]), n) for kind, n in result["kinds"].items() if n]


def _noise(result: Result, _rows: int) -> Finding:
    sentence = _("Every text says something, is decoded rightly and has no markup.")
    if result["rows"]:
        sentence = ngettext(
            "%(n)s row is empty, garbled or has HTML in it.",
            "%(n)s rows are empty, garbled or have HTML in them.",
            result["rows"],
        ) % {"n": _n(result["rows"])}
    return Finding(sentence, _("Rows by fault"), _("Fault"), _kinds(result, _NOISE))


def _personal(result: Result, _rows: int) -> Finding:
    sentence = _("No personal data was found.")
    if result["rows"]:
        sentence = ngettext(
            "%(n)s row has personal data in it.",
            "%(n)s rows have personal data in them.",
            result["rows"],
        ) % {"n": _n(result["rows"])}
    return Finding(sentence, _("Rows by kind of data"), _("Kind"), _kinds(result, _PERSONAL))


def _leakage(result: Result, _rows: int) -> Finding:
    words = {"n": _n(result["rows"]), "version": result["version"]}
    if result["version"] is None:
        sentence = _("Nothing to compare yet: freeze a version first.")
    elif result["rows"]:
        sentence = ngettext(
            "%(n)s row of version %(version)s has a near copy in another split.",
            "%(n)s rows of version %(version)s have a near copy in another split. "
            "Remove near duplicates and freeze again.",
            result["rows"],
        )
    else:
        sentence = _("No text of version %(version)s, nor a near copy of it, is in two splits.")
    bars = [
        (" / ".join(str(_SPLITS[split]) for split in splits), n) for splits, n in result["splits"]
    ]
    return Finding(sentence % words, _("Rows by the splits they share"), _("Splits"), bars)


_FINDINGS: dict[str, Callable[[Result, int], Finding]] = {
    "labels": _labels,
    "lengths": _lengths,
    "language": _language,
    "repeats": _repeats,
    "near": _near,
    "conflicts": _conflicts,
    "noise": _noise,
    "personal": _personal,
    "leakage": _leakage,
}


def finding_of(kind: str, result: Result, rows: int) -> Finding:
    """Return a check's result in words and bars; `rows` is how many it looked at."""
    return _FINDINGS[kind](result, rows)
