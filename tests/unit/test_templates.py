"""What holds for every template and every file that a browser loads."""

import hashlib
import re
from pathlib import Path

import pytest
from django.template.loader import get_template

from modelyard.web.templatetags.yard import ICONS

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
NAMES = [str(path.relative_to(ROOT / "templates")) for path in TEMPLATES]
SCRIPTS = sorted((ROOT / "static" / "js").glob("*.js"))
STYLES = ROOT / "static" / "css" / "app.css"


# The console's templates need the tag library of the console's own process.
SITE_NAMES = [name for name in NAMES if not name.startswith("ops/")]


@pytest.mark.parametrize("name", SITE_NAMES)
def test_a_template_compiles(name: str) -> None:
    get_template(name)


@pytest.mark.parametrize("path", TEMPLATES, ids=NAMES)
def test_a_template_keeps_the_content_security_policy(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"<script(?![^>]*\ssrc=)", text), "inline script"
    assert not re.search(r"<style|\sstyle=|\son[a-z]+=|hx-on|javascript:", text), "inline code"
    assert not re.search(r"(?:src|href)=\"(?:https?:)?//", text), "another host"


@pytest.mark.parametrize("path", TEMPLATES, ids=NAMES)
def test_a_template_asks_only_for_icons_that_are_there(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    asked = set(re.findall(r'\{% icon "([\w-]+)"', text)) | set(
        re.findall(r' icon="([\w-]+)"', text)
    )
    assert asked <= set(ICONS)


@pytest.mark.parametrize("path", TEMPLATES, ids=NAMES)
def test_a_comment_in_a_template_never_reaches_the_page(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "{#" in line and "#}" not in line] == []


def test_the_committed_vendor_files_match_their_sums() -> None:
    folder = ROOT / "static" / "vendor"
    lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    named = dict(reversed(line.split("  ")) for line in lines)
    assert set(named) == {path.name for path in folder.iterdir()} - {"SHA256SUMS", "build.mjs"}
    for name, digest in named.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, name


def classes_without_a_rule(names: list[str], styles: str) -> set[str]:
    text = "".join((ROOT / "templates" / name).read_text(encoding="utf-8") for name in names)
    used = set(re.findall(r"(?<![\w-])(?:y-[a-z]+(?:-[a-z]+)*|btn-[a-z]+|progress-[a-z]+)\b", text))
    scripts = {"y-status-", "y-note-"}  # completed by the template at run time
    return {name for name in used - scripts if f".{name}" not in styles}


def test_the_compiled_styles_hold_the_classes_that_templates_use() -> None:
    missing = classes_without_a_rule(SITE_NAMES, STYLES.read_text(encoding="utf-8"))
    # Hooks without a rule of their own.
    assert missing <= {"y-find", "y-what"}, "run `npm run css`"


def test_the_consoles_styles_hold_the_classes_that_its_templates_use() -> None:
    names = [name for name in NAMES if name.startswith("ops/")]
    styles = (ROOT / "static" / "css" / "ops.css").read_text(encoding="utf-8")
    assert classes_without_a_rule(names, styles) == set()


@pytest.mark.parametrize("path", SCRIPTS, ids=[path.name for path in SCRIPTS])
def test_a_script_imports_nothing_and_evaluates_nothing(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"^import |[=(;]\s*eval\(|new Function|innerHTML", text, re.MULTILINE)


def test_the_lock_file_names_no_registry() -> None:
    text = (ROOT / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in text
    assert text.count('"integrity"') > 20
