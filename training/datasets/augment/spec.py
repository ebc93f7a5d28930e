"""What is to be made from a training row, as it is ordered and as a version keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

OPERATIONS = ("dictionary", "swap", "delete", "insert", "typos", "ocr", "templates")
NEED_WORDS = frozenset({"dictionary", "insert"})
PLACE = "{text}"
MAX_PER_ROW = 3
MAX_TEMPLATES = 20
MAX_TEMPLATE = 500


class SpecWrong(Exception):
    """The order can't be carried out.

    Attributes:
        code: `augmentation_wrong`, `per_row_wrong`, `template_wrong`, `words_missing`.
    """

    def __init__(self, code: str) -> None:
        """Keep the code."""
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class AugmentSpec:
    """An order for rows.

    Attributes:
        operations: Some of `OPERATIONS`; each new row is made by one of them.
        per_row: New rows a training row, 1 to 3 (fewer where an operation has nothing to change).
        templates: Texts with `{text}` where the row's text goes.
        words: Word -> its replacements, for `dictionary` and `insert`.
    """

    operations: tuple[str, ...]
    per_row: int = 1
    templates: tuple[str, ...] = ()
    words: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @cached_property
    def lookup(self) -> tuple[list[int], dict[str, list[str]]]:
        """The lengths of the words, longest first, and lower-case word -> replacements."""
        words = {word.lower(): list(others) for word, others in self.words.items()}
        return sorted({len(word) for word in words}, reverse=True), words

    def to_json(self) -> dict[str, Any]:
        """Return it as a version keeps it."""
        facts = asdict(self)
        return {name: list(v) if isinstance(v, tuple) else v for name, v in facts.items()}


def spec_of(given: Mapping[str, Any], words: Mapping[str, Sequence[str]]) -> AugmentSpec:
    """Return the order that `given` means (`operations`, `per_row`, `templates`).

    Raises:
        SpecWrong: It can't be carried out.
    """
    operations = tuple(dict.fromkeys(given.get("operations") or ()))
    if not operations or not set(operations) <= set(OPERATIONS):
        raise SpecWrong("augmentation_wrong")
    per_row = given.get("per_row", 1)
    if isinstance(per_row, bool) or not isinstance(per_row, int) or not 1 <= per_row <= MAX_PER_ROW:
        raise SpecWrong("per_row_wrong")
    templates = tuple(given.get("templates") or ()) if "templates" in operations else ()
    if "templates" in operations and not _are_templates(templates):
        raise SpecWrong("template_wrong")
    needed = bool(NEED_WORDS & set(operations))
    if needed and not words:
        raise SpecWrong("words_missing")
    return AugmentSpec(operations, per_row, templates, dict(words) if needed else {})


def _are_templates(templates: Sequence[object]) -> bool:
    return 0 < len(templates) <= MAX_TEMPLATES and all(
        isinstance(one, str)
        and one.count(PLACE) == 1
        and one.strip() != PLACE
        and len(one) <= MAX_TEMPLATE
        for one in templates
    )
