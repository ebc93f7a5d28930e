"""The model server as a supervised child process.

The worker owns its stdin (leash and control line) and reads its stdout. A crash in native code
ends the child and not the worker; a restarted child gets its models again before it serves.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.serving.runtime import engines
from training.serving.runtime.cache import LoadRefusedError

logger = logging.getLogger(__name__)

BACKOFF_SECONDS = (0.2, 5.0)
STEADY_SECONDS = 10.0
"""A child that lived this long starts its back-off afresh."""

_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH")


class ServerDownError(Exception):
    """The model server did not answer in time; it may be restarting."""


@dataclass(frozen=True, slots=True)
class ChildConfig:
    """How to start a model server.

    Attributes:
        shard: Which streams it reads.
        name: Its name there, stable over restarts.
        url: Valkey; handed over in the environment, since it holds a password.
        cache: Folder below which its models lie.
        cache_bytes: How many bytes of them it keeps loaded.
        engine: `module:attribute` of the engine's factory.
    """

    shard: str
    name: str
    url: str
    cache: Path
    cache_bytes: int = 4 << 30
    engine: str = engines.TORCH

    def command(self) -> list[str]:
        """Return the command line."""
        return [
            *(sys.executable, "-m", "training.serving.runtime"),
            *("--shard", self.shard, "--name", self.name),
            *("--cache", str(self.cache), "--cache-bytes", str(self.cache_bytes)),
            *("--engine", self.engine),
        ]

    def environment(self) -> dict[str, str]:
        """Return the child's environment: no secret of the worker's but the URL it needs."""
        kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        return kept | {
            "MODELYARD_SERVING_URL": self.url,
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
            "HF_HUB_OFFLINE": "1",
            "PYTHONUNBUFFERED": "1",
        }


class Child:
    """One model server, started, fed, watched and stopped."""

    def __init__(self, config: ChildConfig) -> None:
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.RLock()
        self._folders: dict[str, Path] = {}
        self._loads: dict[str, Future[None]] = {}
        self._asked: dict[int, Future[dict[str, Any]]] = {}
        self._numbers = itertools.count(1)
        self._serving = False
        self._up = threading.Event()
        self._stopping = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="model-server")
        self._supervisor.daemon = True

    @property
    def pid(self) -> int | None:
        """Process id of the running child; None between two of them."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    @property
    def versions(self) -> list[str]:
        """Return the versions a restarted child is given again."""
        with self._lock:
            return list(self._folders)

    def start(self) -> None:
        """Start the child and its supervisor; returns at once.

        It answers from its first loaded model on, or from `serve()` on: a fresh server that
        has nothing loaded yet must not take requests from one that has.
        """
        self._supervisor.start()

    def serve(self) -> None:
        """Begin to answer, whatever is loaded."""
        with self._lock:
            if not self._serving:
                self._serving = True
                self._say(cmd="serve")

    def load(self, version: str, folder: Path, *, timeout: float = 60.0) -> None:
        """Make a version answer: when this returns, the server is alive and has it.

        Safe to repeat.

        Raises:
            LoadRefusedError: The artifact is wrong or does not fit; it will not be tried again.
            ServerDownError: No answer in time; the load goes on, repeat to learn its end.
        """
        with self._lock:
            future = self._loads.get(version)
            if future is None:
                future = self._loads[version] = Future()
                self._folders[version] = folder
                self._say(cmd="load", version=version, folder=str(folder))
        until = time.monotonic() + timeout
        try:
            future.result(timeout)
        except FutureTimeout as error:
            raise ServerDownError(
                f"The model server did not load {version} in {timeout} s."
            ) from error
        if not self._up.wait(until - time.monotonic()):
            raise ServerDownError("The model server loaded the model and cannot reach Valkey.")

    def drop(self, version: str) -> None:
        """Let a version go; its requests are answered `not_loaded` from now on."""
        with self._lock:
            self._folders.pop(version, None)
            self._say(cmd="drop", version=version)

    def pin(self, version: str, *, pinned: bool) -> None:
        """Keep a version from eviction, or stop that."""
        self._say(cmd="pin", version=version, pinned=pinned)

    def stats(self, *, timeout: float = 5.0) -> dict[str, Any]:
        """Return the counters of the running child.

        Raises:
            ServerDownError: It did not answer in time.
        """
        future: Future[dict[str, Any]] = Future()
        with self._lock:
            number = next(self._numbers)
            self._asked[number] = future
            self._say(cmd="stats", re=number)
        try:
            return future.result(timeout)
        except FutureTimeout as error:
            raise ServerDownError(f"The model server did not answer in {timeout} s.") from error
        finally:
            with self._lock:
                self._asked.pop(number, None)

    def drain(self, timeout: float = 20.0) -> None:
        """Let the child finish what it holds and leave; ends it when it takes longer."""
        self._stopping.set()
        with self._lock:
            process = self._process
            if process is not None and process.stdin is not None:
                process.stdin.close()
        if process is not None:
            try:
                process.wait(timeout)
            except subprocess.TimeoutExpired:
                logger.warning("the model server did not drain in %s s and is ended", timeout)
                process.kill()
        if self._supervisor.ident is not None:
            self._supervisor.join(timeout)

    def _supervise(self) -> None:
        delay = BACKOFF_SECONDS[0]
        while not self._stopping.is_set():
            born = time.monotonic()
            try:
                process = self._spawn()
            except OSError:
                logger.exception("the model server cannot be started; trying again")
                self._stopping.wait(BACKOFF_SECONDS[1])
                continue
            if process is None:
                return
            if process.stdout is not None:
                for line in process.stdout:
                    self._hear(line)
                process.stdout.close()
            code = process.wait()
            if self._stopping.is_set():
                return
            if time.monotonic() - born > STEADY_SECONDS:
                delay = BACKOFF_SECONDS[0]
            logger.error("the model server ended with %s; starting it again in %.1f s", code, delay)
            self._stopping.wait(delay)
            delay = min(delay * 2, BACKOFF_SECONDS[1])

    def _spawn(self) -> subprocess.Popen[bytes] | None:
        """Start a child with all its loads, atomically against commands and `drain`."""
        with self._lock:
            if self._stopping.is_set():
                return None
            self._up.clear()
            self._process = subprocess.Popen(  # noqa: S603 - our own module, our own arguments
                self._config.command(),
                env=self._config.environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
            for version, folder in self._folders.items():
                self._say(cmd="load", version=version, folder=str(folder))
            if self._serving:
                self._say(cmd="serve")
            return self._process

    def _say(self, **command: object) -> None:
        """Send a command; a dead child gets its loads again when it is restarted."""
        with self._lock:
            if self._process is None or self._process.stdin is None:
                return
            try:
                self._process.stdin.write(json.dumps(command).encode() + b"\n")
            except (BrokenPipeError, ValueError):
                logger.info("the model server is gone; %s waits for the next", command["cmd"])

    def _hear(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            logger.exception("the model server wrote an unreadable line: %r", line[:200])
            return
        version = message.get("version", "")
        with self._lock:
            match message.get("event"):
                case "loaded":
                    self.serve()
                    self._settle(version, None)
                case "refused":
                    logger.error("model %s refused: %s", version, message["message"])
                    self._folders.pop(version, None)
                    refusal = LoadRefusedError(message["message"], code=message["code"])
                    self._settle(version, refusal)
                case "serving":
                    self._up.set()
                case "valkey_lost":
                    self._up.clear()
                    logger.warning("the model server lost Valkey: %s", message["message"])
                case "evicted":
                    logger.info("model %s made room for another", version)
                    self._folders.pop(version, None)
                case "stats":
                    future = self._asked.pop(message["re"], None)
                    if future is not None:
                        future.set_result(message)
                case _:
                    logger.info("model server: %s", line.decode().strip())

    def _settle(self, version: str, refusal: LoadRefusedError | None) -> None:
        future = self._loads.pop(version, None)
        if future is None:
            return
        if refusal is None:
            future.set_result(None)
        else:
            future.set_exception(refusal)
