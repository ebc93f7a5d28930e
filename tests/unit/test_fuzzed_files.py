"""Files spoilt at random: each is refused in words or read, and none ends the child."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.fuzzing import GOOD

DEEP = bool(os.environ.get("MODELYARD_DEEP"))
COUNT = int(os.environ.get("FUZZ_FILES") or (400 if DEEP else 5))
"""Spoilt copies of each good file."""
SEED = os.environ.get("FUZZ_SEED", "1")
CHILDREN = [[name] for name in GOOD] if DEEP else [list(GOOD)]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("names", CHILDREN, ids=lambda names: names[0] if DEEP else "all")
def test_no_spoilt_file_ends_the_parser_or_is_refused_without_words(names: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzzing", str(COUNT), SEED, *names],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    print(f"FUZZ_SEED={SEED} FUZZ_FILES={COUNT}")
    assert [json.loads(line) for line in done.stdout.splitlines()] == []
    lines = done.stderr.splitlines()
    assert done.returncode == 0, lines[-20:]
    assert len([line for line in lines if line.split(" ")[-1].isdecimal()]) >= COUNT * len(names)
