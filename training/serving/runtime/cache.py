"""The loaded models: least recently used leaves first, by bytes; verified before use."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from training.serving.runtime import canary
from training.serving.runtime.engines import Engine, EngineFactory


class LoadRefusedError(Exception):
    """A model was not loaded; `code` says why for programs, the message for people."""

    def __init__(self, message: str, *, code: str) -> None:
        """Keep the code."""
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class _Model:
    engine: Engine
    folder: Path
    size: int
    users: int = 0
    pinned: bool = False


class ModelCache:
    """Model versions that can answer now.

    Args:
        make: Builds an engine from a folder.
        verify: Raises when a folder does not match its manifest.
        capacity: Bytes of model folders to keep at most.
        on_evict: Told the version that had to leave for another.
    """

    def __init__(
        self,
        *,
        make: EngineFactory,
        verify: Callable[[Path], object],
        capacity: int,
        on_evict: Callable[[str], None],
    ) -> None:
        self._make = make
        self._verify = verify
        self._capacity = capacity
        self._on_evict = on_evict
        self._models: OrderedDict[str, _Model] = OrderedDict()
        self._lock = threading.Lock()
        self._loading: dict[str, threading.Lock] = {}

    def load(self, version: str, folder: Path) -> None:
        """Verify, build and check a model, then let it answer; a second call is a no-op.

        Raises:
            LoadRefusedError: The folder is tampered with, unloadable, or does not fit; what was
                loaded before stays as it was.
        """
        with self._lock:
            flight = self._loading.setdefault(version, threading.Lock())
        with flight:
            if version in self.versions():
                return
            model = self._build(folder)
            with self._lock:
                evicted = self._room_for(model.size)
                self._models[version] = model
        for name in evicted:
            self._on_evict(name)

    @contextmanager
    def use(self, version: str) -> Iterator[Engine | None]:
        """Yield the engine of a version, which cannot be evicted meanwhile; None if not loaded."""
        with self._lock:
            model = self._models.get(version)
            if model is not None:
                model.users += 1
                self._models.move_to_end(version)
        if model is None:
            yield None
            return
        try:
            yield model.engine
        finally:
            with self._lock:
                model.users -= 1

    def drop(self, version: str) -> bool:
        """Forget a version; return whether it was loaded."""
        with self._lock:
            return self._models.pop(version, None) is not None

    def pin(self, version: str, *, pinned: bool) -> bool:
        """Keep a version from eviction, or stop that; return whether it is loaded."""
        with self._lock:
            model = self._models.get(version)
            if model is not None:
                model.pinned = pinned
            return model is not None

    def versions(self) -> list[str]:
        """Return the loaded versions, least recently used first."""
        with self._lock:
            return list(self._models)

    def bytes(self) -> int:
        """Return how many bytes of model folders are loaded."""
        with self._lock:
            return sum(model.size for model in self._models.values())

    def _build(self, folder: Path) -> _Model:
        try:
            self._verify(folder)
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
            engine = self._make(folder)
            canary.check(engine, folder)
        except Exception as error:
            code = str(getattr(error, "code", "")) or "load_failed"
            raise LoadRefusedError(str(error) or type(error).__name__, code=code) from error
        if size > self._capacity:
            raise LoadRefusedError(
                f"The model has {size} bytes and this server keeps {self._capacity};"
                " raise its cache size.",
                code="model_too_large",
            )
        return _Model(engine=engine, folder=folder, size=size)

    def _room_for(self, size: int) -> list[str]:
        loaded = sum(model.size for model in self._models.values())
        leaving: list[str] = []
        for version, model in self._models.items():
            if loaded + size <= self._capacity:
                break
            if not model.users and not model.pinned:
                leaving.append(version)
                loaded -= model.size
        if loaded + size > self._capacity:
            raise LoadRefusedError(
                "Every loaded model is pinned or busy; drop one or raise the cache size.",
                code="cache_full",
            )
        for version in leaving:
            del self._models[version]
        return leaving
