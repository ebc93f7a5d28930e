"""What the model server needs of an engine, and the torch one.

An engine is owned by the server's one loop; only its first check runs on the loader's thread,
before anybody else can see it.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast


class Engine(Protocol):
    """One loaded model."""

    labels: list[str]

    def encode(self, texts: list[str]) -> tuple[list[list[int]], list[bool]]:
        """Return token ids, one list a text, and whether each text was cut to fit."""

    def logits(self, rows: list[list[int]]) -> list[list[float]]:
        """Return one logit per label for each row."""


EngineFactory = Callable[[Path], Engine]


def factory(dotted: str) -> EngineFactory:
    """Return the factory named `package.module:attribute`."""
    module, _, attribute = dotted.partition(":")
    return cast("EngineFactory", getattr(importlib.import_module(module), attribute))


TORCH = "training.serving.runtime.torch_engine:TorchEngine"
"""The factory of the product; tests of the loop name one that sleeps instead."""
