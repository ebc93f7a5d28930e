"""The pure modules of the browser, run by Node."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_the_pages_pure_modules_pass_their_own_tests() -> None:
    node = shutil.which("node")
    assert node, "install Node.js 20 or newer"
    files = sorted(str(path) for path in (ROOT / "tests" / "js").glob("*.test.mjs"))
    assert len(files) >= 5
    ran = subprocess.run(
        [node, "--test", *files], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stdout[-4000:]
