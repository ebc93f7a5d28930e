"""Write requirements.lock and requirements-dev.lock from what this environment has installed.

Needs `uv` in the environment (not a dependency of the project): `pip install uv`.
torch stands apart: it is installed first, by itself (see the Makefile).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import tomllib
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]


def closure(wanted: list[str]) -> dict[str, str]:
    """Return name -> installed version of everything that `wanted` needs."""
    found: dict[str, str] = {}
    todo = [Requirement(text) for text in wanted]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while todo:
        need = todo.pop()
        name = canonicalize_name(need.name)
        if (name, tuple(sorted(need.extras))) in seen:
            continue
        seen.add((name, tuple(sorted(need.extras))))
        installed = distribution(name)
        found[name] = installed.version
        for text in installed.requires or []:
            inner = Requirement(text)
            extras = need.extras | {""}
            if inner.marker is None or any(
                inner.marker.evaluate({"extra": extra}) for extra in extras
            ):
                todo.append(inner)
    found.pop("torch", None)
    return found


def write(pins: dict[str, str], target: Path) -> None:
    """Write one lock file with the hashes of every wheel and archive."""
    with tempfile.NamedTemporaryFile("w", suffix=".in") as wanted:
        wanted.write("".join(f"{name}=={version}\n" for name, version in sorted(pins.items())))
        wanted.flush()
        arguments = ["--no-deps", "--generate-hashes", "--no-annotate", "--no-header", "--quiet"]
        subprocess.run(
            [sys.executable, "-m", "uv", "pip", "compile", *arguments, wanted.name, "-o", target],
            check=True,
            stdout=subprocess.DEVNULL,
        )


def main() -> None:
    """Write both files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    run = closure(project["dependencies"])
    dev = closure([*project["dependencies"], *project["optional-dependencies"]["dev"]])
    write(run, ROOT / "requirements.lock")
    write({name: dev[name] for name in dev if name not in run}, ROOT / "requirements-dev.lock")


if __name__ == "__main__":
    main()
