"""The house: what stands at the top, and the trap of the folder `platform/`."""

from __future__ import annotations

import ast
import platform
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOP = {
    "manage.py", "pyproject.toml", "Makefile", "README.md", "LICENSE", "CHANGELOG.md",
    "platform", "tenants", "training", "billing", "templates", "static", "tests", "deploy", "docs",
    "requirements.lock", "requirements-dev.lock", "package.json", "package-lock.json",
}  # fmt: skip
SOURCES = [
    path
    for root in ("platform", "tenants", "training", "billing")
    for path in sorted((ROOT / root).rglob("*.py"))
    if "migrations" not in path.parts
]


def tracked() -> list[str]:
    done = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()


def test_the_standard_librarys_platform_is_the_one_that_is_imported() -> None:
    assert platform.system()
    assert not (ROOT / "platform" / "__init__.py").exists()
    done = subprocess.run(
        [sys.executable, "-c", "import platform; print(platform.system())"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == platform.system()


def test_the_top_level_holds_what_the_readme_says_and_nothing_else() -> None:
    names = {name.split("/")[0] for name in tracked()}
    assert {name for name in names if not name.startswith(".")} == TOP


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_has_at_most_400_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


def test_a_test_file_has_at_most_600_lines() -> None:
    long = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("*.py")
        if len(path.read_text(encoding="utf-8").splitlines()) > 600
    ]
    assert long == []


def test_no_model_signal_is_used() -> None:
    words = ("post_save", "pre_save", "post_delete", "pre_delete", "m2m_changed")
    found = [
        f"{path.relative_to(ROOT)}: {word}"
        for path in SOURCES
        for word in words
        if word in path.read_text(encoding="utf-8")
    ]
    assert found == []


def test_no_module_is_named_for_nothing() -> None:
    names = {"utils.py", "helpers.py", "common.py", "misc.py"}
    assert [str(path) for path in SOURCES if path.name in names] == []


def test_only_heavy_libraries_are_imported_inside_functions() -> None:
    heavy = {
        "torch",
        "transformers",
        "sklearn",
        "peft",
        "accelerate",
        "scipy",
        "PIL",
        "pyarrow",
        "training",
    }
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            for inner in ast.walk(node):
                if isinstance(inner, ast.Import | ast.ImportFrom):
                    module = getattr(inner, "module", None) or inner.names[0].name
                    if module.split(".")[0] not in heavy:
                        found.append(f"{path.relative_to(ROOT)}:{inner.lineno} {module}")
    assert found == []


def test_nothing_committed_names_a_package_registry() -> None:
    hosts = ("registry.npm" + "js.org", "pypi" + ".org", "files.python" + "hosted.org")
    found = [
        name
        for name in tracked()
        if (ROOT / name).is_file()
        and any(host.encode() in (ROOT / name).read_bytes() for host in hosts)
    ]
    assert found == []
