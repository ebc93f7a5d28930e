"""The model server's control line: JSON commands on stdin, JSON answers and events on stdout.

Stdin is also the leash: its end means that the worker is gone, and the server drains.

Commands: `{"cmd": "load", "version": v, "folder": path}`, `{"cmd": "drop", "version": v}`,
`{"cmd": "pin", "version": v, "pinned": bool}`, `{"cmd": "stats", "re": n}`, `{"cmd": "serve"}`
(begin to answer: sent after the first loads), `{"cmd": "drain"}`.
"""

from __future__ import annotations

import io
import json
import os
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

from training.serving.runtime.cache import LoadRefusedError, ModelCache


class Output:
    """Writes one JSON object a line, from any thread."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        self._open = True

    def event(self, name: str, **fields: object) -> None:
        """Write an event; when the reader is gone there is nobody left to tell."""
        line = json.dumps({"event": name, "at": round(time.time(), 3), **fields}) + "\n"
        with self._lock:
            if not self._open:
                return
            try:
                os.write(self._descriptor, line.encode())
            except BrokenPipeError:
                self._open = False


class Control:
    """Reads the control line and carries out its commands beside the loop.

    Args:
        root: Models are loaded from below this folder only.
        cache: The loaded models.
        output: Where answers go.
        stats: Returns the loop's counters.
        drain: Asks the loop to leave.
    """

    def __init__(
        self,
        *,
        root: Path,
        cache: ModelCache,
        output: Output,
        stats: Callable[[], dict[str, object]],
        drain: Callable[[], None],
    ) -> None:
        self._root = root.resolve()
        self._cache = cache
        self._output = output
        self._stats = stats
        self._drain = drain
        self._loads: queue.SimpleQueue[tuple[str, str] | None] = queue.SimpleQueue()
        self.begun = threading.Event()

    def start(self) -> None:
        """Start reading, and the thread that loads models, so that loading stops no answer."""
        threading.Thread(target=self._read, name="control", daemon=True).start()
        threading.Thread(target=self._load_all, name="loader", daemon=True).start()

    def _read(self) -> None:
        with io.FileIO(0) as lines:
            for line in lines:
                try:
                    self._obey(json.loads(line))
                except (ValueError, KeyError, TypeError) as error:
                    self._output.event("bad_command", message=f"{type(error).__name__}: {error}")
        self._drain()

    def _obey(self, command: dict[str, object]) -> None:
        version = str(command.get("version", ""))
        match command["cmd"]:
            case "load":
                self._loads.put((version, str(command["folder"])))
            case "drop":
                self._output.event("dropped", version=version, was=self._cache.drop(version))
            case "pin":
                pinned = command["pinned"] is True
                known = self._cache.pin(version, pinned=pinned)
                self._output.event("pinned", version=version, pinned=pinned, known=known)
            case "stats":
                self._output.event("stats", re=command["re"], **self._stats())
            case "serve":
                self._loads.put(None)
            case "drain":
                self._drain()
            case other:
                self._output.event("bad_command", message=f"no such command: {other}")

    def _load_all(self) -> None:
        while True:
            item = self._loads.get()
            if item is None:
                self.begun.set()
                continue
            version, folder = item
            try:
                self._cache.load(version, self._inside(folder))
            except LoadRefusedError as error:
                self._output.event("refused", version=version, code=error.code, message=str(error))
            else:
                self._output.event("loaded", version=version)

    def _inside(self, folder: str) -> Path:
        path = Path(folder).resolve()
        if not path.is_relative_to(self._root):
            raise LoadRefusedError(
                f"{folder} is not below this server's cache folder.", code="outside_cache"
            )
        return path
