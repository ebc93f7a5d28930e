"""Maps: like near like, the same again for the same seed, labels that stand among others."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from training.engine import layout
from training.engine.events import Event, Step
from training.engine.mapping import make_map


def three_heaps(rows: int, *, seed: int = 1) -> tuple[layout.Floats, list[str | None]]:
    """Unit vectors around three directions, each with a label of its own."""
    random = np.random.default_rng(seed)
    middle = np.eye(3, 16)[np.arange(rows) % 3]
    vectors = middle + random.normal(scale=0.08, size=(rows, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), [f"heap {at % 3}" for at in range(rows)]


def test_heaps_stay_apart_a_wrong_label_is_seen_and_the_seed_decides(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The way of large datasets: most rows are put between those that t-SNE placed.
    monkeypatch.setattr(layout, "LANDMARKS", 60)
    monkeypatch.setattr(layout, "CHUNK_ROWS", 70)
    vectors, labels = three_heaps(150)
    labels[0], labels[5] = "heap 1", None
    one, two = (layout.lay_out(vectors, labels, seed=3) for _ in range(2))
    assert (one.x.tolist(), one.y.tolist()) == (two.x.tolist(), two.y.tolist())
    assert one.area.tolist() == two.area.tolist()
    places = np.stack([one.x, one.y], axis=1).astype(float)
    for heap in range(3):
        own = places[heap::3]
        rest = np.delete(places, slice(heap, None, 3), axis=0)
        for place in own:
            assert np.median(np.linalg.norm(own - place, axis=1)) < np.median(
                np.linalg.norm(rest - place, axis=1)
            )
    assert one.differing[0] == 100
    assert one.differing[5] == layout.NO_LABEL
    assert np.delete(one.differing, [0, 5]).max() <= 20
    assert sum(area.rows for area in one.areas) == 150
    assert sum(area.differing for area in one.areas) == 1
    assert [area.rows for area in one.areas] == sorted((a.rows for a in one.areas), reverse=True)
    for number, area in enumerate(one.areas):
        assert one.area[area.typical] == number


@pytest.mark.parametrize("rows", [1, 2, 4, 5, 7])
def test_a_handful_of_rows_has_a_map(rows: int) -> None:
    vectors, labels = three_heaps(rows)
    made = layout.lay_out(vectors, labels, seed=0)
    assert len(made.x) == rows == sum(area.rows for area in made.areas)


def test_equal_texts_and_no_labels_have_a_map() -> None:
    vectors = np.tile(np.eye(1, 8, dtype=np.float32), (40, 1))
    made = layout.lay_out(vectors, [None] * 40, seed=0)
    assert set(made.differing.tolist()) == {layout.NO_LABEL}
    assert made.areas[0].label is None


def test_rows_become_points_and_each_step_is_said(tmp_path: Path, tiny_base: Path) -> None:
    texts = [*["a good film"] * 3, *["dull " * 500] * 3]
    lines = [json.dumps({"text": text, "label": "x"}) for text in texts]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    said: list[Event] = []
    make_map(
        tmp_path / "rows.jsonl", tmp_path / "map", emit=said.append, base=str(tiny_base), threads=1
    )
    content = (tmp_path / "map" / "points.bin").read_bytes()
    assert len(content) == 6 * 6
    places = np.frombuffer(content[: 4 * 6], "<u2").reshape(2, 6).T.astype(float)
    assert math.dist(places[0], places[1]) < math.dist(places[0], places[5])
    facts = json.loads((tmp_path / "map" / "map.json").read_text())
    assert facts["rows"] == sum(area["rows"] for area in facts["areas"]) == 6
    steps = [(one.phase, one.done) for one in said if isinstance(one, Step)]
    assert steps[0] == ("embedding", 0)
    assert steps[-3:] == [("embedding", 6), ("placing", 0), ("placing", 6)]
