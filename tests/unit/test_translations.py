"""The Simplified Chinese catalogue: whole, its placeholders kept, compiled, and shown on pages."""

from __future__ import annotations

import ast
import gettext
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from django.http import Http404
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils import translation
from django.utils.formats import number_format

from modelyard.core.http import problem
from modelyard.web.templatetags import yard

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "platform/modelyard/locale/zh_Hans/LC_MESSAGES"
SOURCES = ("platform", "tenants", "training", "billing")
# What each name of gettext takes: how many first arguments are texts, after a context or not.
CALLS = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "later", "lazy"), (0, 1)),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (0, 1)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), (1, 1)),
}
TRANSLATE = re.compile(r"""{%\s*translate\s+(?:"([^"]*)"|'([^']*)')""")
BLOCK = re.compile(r"{%\s*blocktranslate\b([^%]*)%}(.*?){%\s*endblocktranslate\s*%}", re.DOTALL)
PLACEHOLDER = re.compile(r"%\((\w+)\)[-0-9.]*[a-z]|(?<!{){(\w+)}(?!})")


@dataclass
class Entry:
    """One message of the catalogue."""

    fields: dict[str, str] = field(default_factory=dict)
    fuzzy: bool = False


def entries() -> list[Entry]:
    found: list[Entry] = []
    now, key = Entry(), ""
    for line in [*(FOLDER / "django.po").read_text(encoding="utf-8").splitlines(), ""]:
        if not line:
            found += [now] if "msgid" in now.fields else []
            now = Entry()
        elif line.startswith("#"):
            now.fuzzy |= line.startswith("#,") and "fuzzy" in line
        elif line.startswith('"'):
            now.fields[key] += ast.literal_eval(line)
        else:
            key, _sep, text = line.partition(" ")
            now.fields[key] = ast.literal_eval(text)
    assert found[0].fields["msgid"] == ""
    return found[1:]


def placeholders(text: str) -> set[str]:
    return {one or other for one, other in PLACEHOLDER.findall(text)}


def translated(entry: Entry) -> str:
    return entry.fields.get("msgstr") or entry.fields.get("msgstr[0]", "")


def in_python() -> Iterator[tuple[str, str]]:
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
                    continue
                first, count = CALLS.get(node.func.id, (0, 0))
                for argument in node.args[first : first + count]:
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        yield argument.value, str(path.relative_to(ROOT))


def in_templates() -> Iterator[tuple[str, str]]:
    for path in sorted((ROOT / "templates").rglob("*.html")):
        text, place = path.read_text(encoding="utf-8"), str(path.relative_to(ROOT))
        for one, other in TRANSLATE.findall(text):
            yield (one or other).replace("%", "%%"), place
        for options, body in BLOCK.findall(text):
            first = re.split(r"{%\s*plural\s*%}", body)[0]
            shown = re.sub(r"{{\s*(\w+)\s*}}", r"%(\1)s", first.replace("%", "%%"))
            yield (" ".join(shown.split()) if "trimmed" in options else shown), place


def test_every_string_of_code_and_templates_is_in_the_catalogue() -> None:
    known = {entry.fields["msgid"] for entry in entries()}
    missing = {
        f"{place}: {text}" for text, place in [*in_python(), *in_templates()] if text not in known
    }
    assert not missing, "run `manage.py makemessages -l zh_Hans` and translate: " + "\n".join(
        sorted(missing)
    )


def test_every_message_is_translated_and_none_is_a_guess() -> None:
    for entry in entries():
        assert not entry.fuzzy, entry.fields
        assert translated(entry).strip(), entry.fields


def test_a_translation_has_the_placeholders_of_its_message() -> None:
    for entry in entries():
        wanted = placeholders(entry.fields.get("msgid_plural", entry.fields["msgid"]))
        assert placeholders(translated(entry)) == wanted, entry.fields


def test_no_translation_uses_half_width_punctuation_between_chinese_characters() -> None:
    for entry in entries():
        assert not re.search(r"[\u4e00-\u9fff][,;:!?][\u4e00-\u9fff]", translated(entry)), entry


def test_the_compiled_file_holds_exactly_the_catalogue() -> None:
    with (FOLDER / "django.mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)._catalog  # type: ignore[attr-defined]
    wanted: dict[object, str] = {}
    for entry in entries():
        context = entry.fields.get("msgctxt")
        key = entry.fields["msgid"] if context is None else f"{context}\x04{entry.fields['msgid']}"
        wanted[(key, 0) if "msgid_plural" in entry.fields else key] = translated(entry)
    assert {key: text for key, text in compiled.items() if key != ""} == wanted


@pytest.mark.parametrize(
    "template", ["account/login.html", "account/signup_closed.html", "errors/problem.html"]
)
def test_a_page_in_chinese_has_no_english_sentence(template: str) -> None:
    request = RequestFactory().get("/")
    request.request_id = "req_1"  # type: ignore[attr-defined]
    with translation.override("zh-hans"):
        error = problem.translate(Http404())
        assert error is not None
        body = problem.document(request, error)
        page = render_to_string(template, {**body, "sentence": body["detail"]})
    text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]+>", " ", page, flags=re.DOTALL)
    assert re.search(r"[\u4e00-\u9fff]", text)
    assert not re.search(r"[A-Za-z]{2,}( [a-z]+){2,}", text), " ".join(text.split())


def test_numbers_and_dates_are_written_the_chinese_way() -> None:
    with translation.override("zh-hans"):
        assert number_format(1284310, force_grouping=True) == "1,284,310"
        assert yard.eta(600) == "还需 9–12 分钟"
        assert yard.confusion_chart("c", ["a", "b"], [[9, 1], [0, 10]])["finding"].startswith("10%")
