"""A Hugging Face dataset folder: README.md with YAML, and data files of one or more splits. Pure.

Source: Hugging Face Hub documentation, "Data files configuration" and dataset cards
(`dataset_info.features`, `configs[].data_files`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from training.datasets.formats.archives import Member
from training.datasets.formats.records import FileRefused

CARD = "README.md"
CARD_BYTES = 1024**2
_DATA = re.compile(r"(.*/)?(train|training|validation|valid|val|dev|test|eval)\b[^/]*\.\w+", re.I)
_SPLITS = {"training": "train", "valid": "validation", "val": "validation", "dev": "validation",
           "eval": "test"}  # fmt: skip
_FRONT = re.compile(r"\A---\r?\n(.*?\r?\n)---", re.S)


def card_of(found: Sequence[Member]) -> str:
    """Return the name of the dataset card, '' if there is none."""
    names = [one.name for one in found if one.name.rsplit("/", 1)[-1] == CARD]
    return min(names, key=len) if names else ""


def split_of(member: str) -> str:
    """Return the split that a data file's name says, '' if none."""
    found = _DATA.fullmatch(member)
    name = (found.group(2) if found else "").lower()
    return _SPLITS.get(name, name)


def classes_of(card: bytes) -> dict[str, list[str]]:
    """Return the class names of each ClassLabel column that a dataset card describes.

    Raises:
        FileRefused: `card_broken`.
    """
    front = _FRONT.match(card.decode("utf-8", errors="replace"))
    try:
        head = yaml.safe_load(front.group(1)) if front else {}
        info = head.get("dataset_info") if isinstance(head, dict) else None
        infos = info if isinstance(info, list) else [info]
        features = [one.get("features") for one in infos if isinstance(one, dict)]
        flat = [one for each in features if isinstance(each, list) for one in each]
        named = {str(one["name"]): _names(one) for one in flat if isinstance(one, dict)}
    except (yaml.YAMLError, RecursionError, ValueError, KeyError) as error:
        raise FileRefused("card_broken", why=str(error)[:200]) from error
    return {name: names for name, names in named.items() if names}


def _names(feature: object) -> list[str]:
    """Return the names of a ClassLabel's classes, in the order of their numbers."""
    kind = feature.get("dtype") if isinstance(feature, dict) else None
    label = kind.get("class_label") if isinstance(kind, dict) else None
    names = label.get("names") if isinstance(label, dict) else None
    if isinstance(names, dict):
        return [str(names[key]) for key in sorted(names, key=lambda key: int(str(key)))]
    return [str(name) for name in names] if isinstance(names, list) else []


def card(columns: Mapping[str, Any], splits: Mapping[str, int], classes: Sequence[str]) -> str:
    """Return a dataset card.

    Args:
        columns: Names of the columns with their types as `datasets` calls them; None is the label.
        splits: Rows of each split.
        classes: Names of the label's classes, in the order of their numbers.
    """
    features = []
    for name, kind in columns.items():
        names = {"class_label": {"names": {str(n): one for n, one in enumerate(classes)}}}
        features.append({"name": name, "dtype": names if kind is None else kind})
    files = [{"split": name, "path": f"data/{name}-*"} for name in splits]
    head = {
        "configs": [{"config_name": "default", "data_files": files}],
        "dataset_info": {
            "features": features,
            "splits": [{"name": name, "num_examples": rows} for name, rows in splits.items()],
        },
    }
    written = yaml.safe_dump(head, allow_unicode=True, sort_keys=False)
    return f"---\n{written}---\n"
