"""The model server's loop: one thread, one connection, sole user of the engines.

Everything it holds stays pending in Valkey until it is finished, so it may die at any line:
another server, or its own successor, takes the entries over one by one.
"""

from __future__ import annotations

import json
import math
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import redis

from training.serving.runtime.batcher import Batcher, Held, Request, slices
from training.serving.runtime.cache import ModelCache
from training.serving.runtime.engines import Engine
from training.serving.runtime.streams import Pending, Result, Streams

AHEAD = 16
"""Requests held at most; what is held longer than the claim idle time is computed twice."""
BLOCK_MS = 100
BEAT_SECONDS = 1.0
TOUCH_SECONDS = 0.4
SWEEP_SECONDS = 0.25
RESCUES_PER_TURN = 4
DELIVERIES_BEFORE_POISON = 2
SECOND_STREAM_EVERY = 4
DRAIN_SECONDS = 15.0


@dataclass(slots=True)
class _Due:
    """When the periodic things were last done, by the monotonic clock."""

    beat: float = 0.0
    touch: float = 0.0
    sweep: float = 0.0


class ModelServer:
    """Answers the requests of one shard until it is drained.

    Args:
        streams: This server's view of the shard.
        cache: The loaded models.
        log: Told one event name and its fields.
    """

    def __init__(
        self, *, streams: Streams, cache: ModelCache, log: Callable[..., None], ahead: int = AHEAD
    ) -> None:
        self._streams = streams
        self._cache = cache
        self._log = log
        self._ahead = ahead
        self._batcher = Batcher()
        self._own: list[Pending] = []
        self._done: list[Result] = []
        self._working: list[Request] = []
        self._due = _Due()
        self._turns = 0
        self._idle = False
        self._draining = threading.Event()
        self._drain_until = math.inf
        self._left = False
        self.counts: Counter[str] = Counter()

    def drain(self) -> None:
        """Ask the loop to leave: finish what is held, refuse the rest. Any thread, or a signal."""
        self._drain_until = min(self._drain_until, time.monotonic() + DRAIN_SECONDS)
        self._draining.set()

    def stats(self) -> dict[str, object]:
        """Return counters since the start and what is loaded now."""
        return {
            "counts": dict(self.counts),
            "held": len(self._batcher),
            "versions": self._cache.versions(),
            "bytes": self._cache.bytes(),
        }

    def run(self) -> None:
        """Serve until drained; survives every loss of the connection."""
        connected = False
        while time.monotonic() < self._drain_until:
            try:
                if not connected:
                    self._connect()
                    connected = True
                if self._turn():
                    break
            except redis.RedisError as error:
                connected = False
                self._log("valkey_lost", message=str(error))
                time.sleep(random.uniform(0.05, 0.3))  # noqa: S311 - jitter, not a secret
        self._log("left", counts=dict(self.counts))
        self._streams.close()

    def _connect(self) -> None:
        self._streams.enter()
        known = {request.id for request in self._held()} | {result.id for result in self._done}
        self._own = [item for item in self._streams.own_pending() if item.id not in known]
        self._due = _Due()
        self._idle = False
        self._tick()
        self._log("serving")

    def _turn(self) -> bool:
        """Do one round; return whether the server may leave."""
        self._flush()
        if self._draining.is_set():
            if not self._left:
                self._streams.leave()
                self._left = True
            if self._may_leave():
                return True
        self._tick()
        self._rescue()
        if self._reads_on():
            self._read()
        self._answer()
        return False

    def _may_leave(self) -> bool:
        if self._batcher.held or self._own:
            return False
        return self._streams.others_alive() or self._streams.empty()

    def _reads_on(self) -> bool:
        """The last server of a shard also reads the streams empty."""
        return not self._draining.is_set() or not self._streams.others_alive()

    def _held(self) -> list[Request]:
        return self._working + [item.request for item in self._batcher.held]

    def _tick(self) -> None:
        """Show life: also called between the slices of a long batch."""
        now = time.monotonic()
        if not self._left and now - self._due.beat >= BEAT_SECONDS:
            self._due.beat = now
            self._streams.beat()
        if now - self._due.touch >= TOUCH_SECONDS:
            self._due.touch = now
            held = self._held()
            if held:
                self._streams.touch(held)

    def _rescue(self) -> None:
        """Take over entries of dead servers, each run alone: only the guilty one is charged."""
        for _ in range(min(RESCUES_PER_TURN, len(self._own))):
            self._run_alone(self._own.pop(0), own=True)
        now = time.monotonic()
        if now - self._due.sweep < SWEEP_SECONDS:
            return
        self._due.sweep = now
        for pending in self._streams.abandoned()[:RESCUES_PER_TURN]:
            self._run_alone(pending, own=False)

    def _run_alone(self, pending: Pending, *, own: bool) -> None:
        request = self._streams.claim(pending, own=own)
        if request is None:
            return
        self.counts["rescued"] += 1
        if pending.deliveries >= DELIVERIES_BEFORE_POISON:
            self._close(request, "poison")
        elif request.deadline < self._streams.now():
            self._close(request, "expired")
        else:
            item = self._encode(request)
            if item is not None:
                self._run([item])
        self._flush()

    def _read(self) -> None:
        room = self._ahead - len(self._batcher)
        if room <= 0:
            return
        self._turns += 1
        if self._idle and not self._batcher.held and not self._own:
            found = self._streams.wait(room, BLOCK_MS)
        else:
            second = self._turns % SECOND_STREAM_EVERY == 0
            found = self._streams.read(room, second_first=second)
        self._idle = not found
        for request in found:
            item = self._encode(request)
            if item is not None:
                self._batcher.add(item)

    def _answer(self) -> None:
        for request in self._batcher.expire(self._streams.now()):
            self._close(request, "expired")
        batch = self._batcher.take()
        if batch:
            self._run(batch)
        self._flush()

    def _encode(self, request: Request) -> Held | None:
        with self._cache.use(request.version) as engine:
            if engine is None:
                self._close(request, "not_loaded")
                return None
            try:
                rows, cut = engine.encode(request.texts)
            except Exception as error:  # noqa: BLE001 - one bad text must not end the server
                self._fail(request, error)
                return None
        return Held(request, rows, cut)

    def _run(self, batch: list[Held]) -> None:
        """Compute a batch of one version; on an error one by one, so neighbours do not fail."""
        self._working = [item.request for item in batch]
        started = time.monotonic()
        with self._cache.use(batch[0].request.version) as engine:
            if engine is None:
                for item in batch:
                    self._close(item.request, "not_loaded")
            else:
                try:
                    answers = self._logits(engine, batch)
                except redis.RedisError:
                    self._batcher.held[:0] = batch
                    self._working = []
                    raise
                except Exception as error:  # noqa: BLE001 - a model may raise anything
                    self._run_each(batch, error)
                else:
                    self._collect(engine, batch, answers, time.monotonic() - started)
        self._working = []

    def _run_each(self, batch: list[Held], error: Exception) -> None:
        if len(batch) == 1:
            self._fail(batch[0].request, error)
            return
        for item in batch:
            self._run([item])

    def _logits(self, engine: Engine, batch: list[Held]) -> list[list[float]]:
        rows = [row for item in batch for row in item.rows]
        answers: list[list[float]] = []
        for number, part in enumerate(slices(rows)):
            if number:
                self._tick()
            answers += engine.logits([rows[index] for index in part])
        return answers

    def _collect(
        self, engine: Engine, batch: list[Held], answers: list[list[float]], seconds: float
    ) -> None:
        self.counts["batches"] += 1
        at = 0
        for item in batch:
            logits = answers[at : at + len(item.rows)]
            at += len(item.rows)
            self.counts["texts"] += len(item.rows)
            body = {
                "predictions": [
                    {**_prediction(row, engine.labels), "truncated": cut}
                    for row, cut in zip(logits, item.cut, strict=True)
                ],
                "deployment": item.request.deployment,
                "version": item.request.version,
                "tokens": sum(len(row) for row in item.rows),
                "run_ms": round(seconds * 1000, 2),
                "batch": len(batch),
            }
            self._done.append(
                Result(
                    item.request.queue,
                    item.request.id,
                    "ok",
                    sum(len(row) for row in item.rows),
                    json.dumps(body, ensure_ascii=False),
                )
            )

    def _close(self, request: Request, status: str) -> None:
        """Decide a request without an answer; the version tells the web tier what to load."""
        self._done.append(Result(request.queue, request.id, status, body=request.version))

    def _fail(self, request: Request, error: Exception) -> None:
        self._log("prediction_failed", entry=request.id, message=f"{type(error).__name__}: {error}")
        self._close(request, "error")

    def _flush(self) -> None:
        """Send what is decided; after a lost connection the same again, which is harmless."""
        if not self._done:
            return
        for status in self._streams.finish(self._done):
            self.counts[status or "late"] += 1
        self._done.clear()


def _prediction(logits: list[float], labels: list[str]) -> dict[str, object]:
    """Return the label, its score, and all scores: softmax over one row of logits."""
    top = max(logits)
    powers = [math.exp(value - top) for value in logits]
    total = sum(powers)
    scores = {label: power / total for label, power in zip(labels, powers, strict=True)}
    label = max(scores, key=scores.__getitem__)
    return {"label": label, "score": scores[label], "scores": scores}
