"""The customer's command as a program of its own, and files for it to send."""

from __future__ import annotations

import base64
import os
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Yard:
    """A customer's shell: the platform's address and a key are set."""

    url: str
    key: str
    folder: Path

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Start `yard` with these arguments."""
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT / "platform" / "client"),
            "YARD_URL": self.url,
            "YARD_API_KEY": self.key,
        }
        return subprocess.Popen(
            [sys.executable, "-m", "yard", *map(str, arguments)],
            env=env, cwd=self.folder, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: object) -> tuple[int, str, str]:
        """Run `yard` to its end; return exit status, output and what it complained of."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=500)
        return process.returncode, out, err


def write_big(path: Path, size: int) -> Path:
    """Write a CSV of exactly `size` bytes that no layer in between could compress."""
    chance = random.Random(size)
    with path.open("wb") as target:
        target.write(b"text,label\n")
        while (left := size - target.tell()) > 0:
            block = base64.b64encode(chance.randbytes(786_432)).replace(b"/", b" ")
            target.write((block[:1000] + b",a\n" + block[1000:] + b",b\n")[:left])
    return path
