"""Settings of a run: the presets, what a customer may set, and the base models there are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _

from modelyard.core.errors import Invalid
from training.engine.catalog import CATALOG, DEFAULT_BASE
from training.engine.errors import SpecError
from training.engine.spec import PRESETS, TrainSpec
from training.registry import words

DEFAULT_PRESET = "balanced"
PRESET_TITLES: Mapping[str, tuple[Any, Any]] = {
    "quick": (
        words.PRESETS["quick"],
        _("A first answer: one short pass. Good for checking the data."),
    ),
    "balanced": (words.PRESETS["balanced"], _("The best of a few minutes. Start here.")),
    "best": (words.PRESETS["best"], _("More passes, the best of them kept. About twice the time.")),
}
"""Preset -> name and what it is for."""

OPEN_FIELDS = frozenset(
    {
        "base",
        "batch_size",
        "class_weights",
        "epochs",
        "freeze_embeddings",
        "head_rate_multiplier",
        "learning_rate",
        "lora_alpha",
        "lora_dropout",
        "lora_r",
        "max_length",
        "method",
        "patience",
        "seed",
        "warmup_ratio",
        "weight_decay",
    }
)
"""Settings that a customer may choose; threads and precision are the platform's."""


def base_names() -> list[str]:
    """Return the base models that a run may start from, the default first."""
    found = [name for name in CATALOG if name != DEFAULT_BASE]
    folder = _bases_folder()
    if folder is not None:
        found += sorted(path.name for path in folder.iterdir() if path.is_dir())
    return [DEFAULT_BASE, *found]


def base_location(name: str) -> str:
    """Return what the engine calls a base model: its catalogue name, or its folder."""
    folder = _bases_folder()
    if name in CATALOG or folder is None:
        return name
    return str(folder / name)


def spec_build(preset: str, chosen: Mapping[str, Any]) -> TrainSpec:
    """Return the settings of the preset with `chosen` on top.

    Raises:
        Invalid: An unknown setting, preset or base model, or a value out of range.
    """
    closed = sorted(set(chosen) - OPEN_FIELDS)
    if closed:
        raise Invalid(
            _("There is no setting %(name)s. The settings are: %(all)s.")
            % {"name": closed[0], "all": ", ".join(sorted(OPEN_FIELDS))},
            code="spec_unknown_field",
            fields=[{"field": closed[0], "message": "unknown"}],
        )
    if preset not in PRESETS:
        raise Invalid(
            _("There is no recipe %(name)s. Choose one of: %(all)s.")
            % {"name": preset, "all": ", ".join(PRESETS)},
            code="preset_unknown",
        )
    base = chosen.get("base", DEFAULT_BASE)
    if base not in base_names():
        raise Invalid(
            _("There is no base model %(name)s here. Choose one of: %(all)s.")
            % {"name": base, "all": ", ".join(base_names())},
            code="base_unknown",
        )
    try:
        return TrainSpec.from_preset(preset, **chosen)
    except SpecError as error:
        raise Invalid(error.message, code=error.code) from error


def _bases_folder() -> Path | None:
    folder = Path(settings.ENGINE_BASES_DIR) if settings.ENGINE_BASES_DIR else None
    return folder if folder is not None and folder.is_dir() else None
