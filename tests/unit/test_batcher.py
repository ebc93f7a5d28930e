"""Which requests run together."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from training.serving.runtime.batcher import Batcher, Held, Request, slices
from training.serving.runtime.cache import LoadRefusedError, ModelCache


def held(name: str, *lengths: int, version: str = "m1", deadline: int = 1000) -> Held:
    request = Request("q0", name, "dep", version, deadline, ["text"] * len(lengths), 0)
    return Held(request, [[1] * length for length in lengths], [False] * len(lengths))


def ids(items: list[Held]) -> list[str]:
    return [item.request.id for item in items]


def batcher(*items: Held, budget: int = 100) -> Batcher:
    made = Batcher(budget=budget)
    for item in items:
        made.add(item)
    return made


def test_a_batch_is_in_order_and_within_the_padded_budget() -> None:
    made = batcher(held("a", 10), held("b", 20), held("c", 30), held("d", 30))
    assert ids(made.take()) == ["a", "b", "c"]
    assert ids(made.take()) == ["d"]
    assert made.take() == []


def test_nothing_overtakes_a_request_that_no_longer_fits() -> None:
    made = batcher(held("a", 50), held("long", 90), held("short", 1))
    assert ids(made.take()) == ["a"]
    assert ids(made.take()) == ["long"]


def test_a_request_above_the_budget_runs_alone() -> None:
    made = batcher(held("big", 90, 90), held("a", 1))
    assert ids(made.take()) == ["big"]
    assert ids(made.take()) == ["a"]


def test_a_batch_holds_one_model_and_the_oldest_goes_first() -> None:
    made = batcher(held("a", 1), held("b", 1, version="m2"), held("c", 1))
    assert ids(made.take()) == ["a", "c"]
    assert ids(made.take()) == ["b"]


def test_a_late_request_never_runs() -> None:
    made = batcher(held("late", 1, deadline=499), held("just", 1, deadline=500))
    assert [request.id for request in made.expire(500)] == ["late"]
    assert ids(made.held) == ["just"]


def test_slices_keep_every_row_once_and_each_within_the_budget() -> None:
    rows = [[1] * length for length in (5, 60, 3, 3, 200, 1)]
    parts = slices(rows, budget=100)
    assert parts == [[0], [1], [2, 3], [4], [5]]


class Constant:
    """An engine that answers its canary right."""

    def __init__(self, folder: Path) -> None:
        self.labels = ["a"]

    def encode(self, texts: list[str]) -> tuple[list[list[int]], list[bool]]:
        return [[1]] * len(texts), [False] * len(texts)

    def logits(self, rows: list[list[int]]) -> list[list[float]]:
        return [[0.5]] * len(rows)


def folder(path: Path, *, size: int = 1000, logit: float = 0.5) -> Path:
    path.mkdir()
    (path / "canary.json").write_text(f'{{"texts": ["x"], "logits": [[{logit}]]}}', "utf-8")
    (path / "model").write_bytes(b"x" * size)
    return path


def cache(capacity: int = 2500, **parts: object) -> tuple[ModelCache, list[str]]:
    evicted: list[str] = []
    standard = {"make": Constant, "verify": lambda _: None}
    made = ModelCache(capacity=capacity, on_evict=evicted.append, **(standard | parts))  # type: ignore[arg-type]
    return made, evicted


def test_a_model_in_use_is_never_evicted(tmp_path: Path) -> None:
    made, evicted = cache()
    made.load("a", folder(tmp_path / "a"))
    made.load("b", folder(tmp_path / "b"))
    with made.use("a") as engine:
        assert engine is not None
        made.load("c", folder(tmp_path / "c"))
    assert (evicted, made.versions()) == (["b"], ["a", "c"])


def test_a_model_larger_than_the_cache_is_refused(tmp_path: Path) -> None:
    made, _ = cache()
    with pytest.raises(LoadRefusedError) as refusal:
        made.load("big", folder(tmp_path / "big", size=5000))
    assert refusal.value.code == "model_too_large"


def test_a_wrong_canary_leaves_the_loaded_model_as_it_was(tmp_path: Path) -> None:
    made, _ = cache()
    made.load("a", folder(tmp_path / "a"))
    with pytest.raises(LoadRefusedError) as refusal:
        made.load("b", folder(tmp_path / "b", logit=0.7))
    assert (refusal.value.code, made.versions()) == ("canary_mismatch", ["a"])


def test_two_threads_load_a_model_once(tmp_path: Path) -> None:
    built: list[Path] = []

    def slow(path: Path) -> Constant:
        built.append(path)
        time.sleep(0.1)
        return Constant(path)

    made, _ = cache(make=slow)
    path = folder(tmp_path / "a")
    threads = [threading.Thread(target=made.load, args=("a", path)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(built) == 1
