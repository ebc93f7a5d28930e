"""An engine without a model, as a program: puts texts that begin alike side by side, at once.

`map ROWS --out DIR --leash`, as the engine's own. A row with the text `poison` ends it badly;
one with `nap` makes it say nothing until its parent is gone.
"""

from __future__ import annotations

import json
import os
import struct
import sys
import zlib
from pathlib import Path

rows = [json.loads(line) for line in Path(sys.argv[2]).read_text("utf-8").splitlines()]
out = Path(sys.argv[4])


def step(phase: str, done: int) -> None:
    print(
        json.dumps({"kind": "step", "phase": phase, "done": done, "total": len(rows)}), flush=True
    )


step("embedding", 0)
words = {row["text"] for row in rows}
if "poison" in words:
    print("error: poison", flush=True)
    sys.exit(1)
if "nap" in words:
    Path(os.environ["TMPDIR"], "pid").write_text(str(os.getpid()))
    sys.stdin.buffer.read()
    sys.exit(1)
step("placing", 0)
sides = [row["text"].startswith(("The striker", "The goal", "We won", "The coach", "The league"))
         for row in rows]  # fmt: skip
noise = [zlib.crc32(row["text"].encode()) for row in rows]
x = [(5_000 if side else 45_000) + one % 15_000 for side, one in zip(sides, noise, strict=True)]
y = [20_000 + one // 15_000 % 25_000 for one in noise]
mostly = {True: "sport", False: "kitchen"}
differing = [
    80 if row["label"] != mostly[side] else 0 for row, side in zip(rows, sides, strict=True)
]
area = [int(not side) for side in sides]
n = len(rows)
areas = []
for number in sorted(set(area)):
    members = [i for i in range(n) if area[i] == number]
    areas.append({
        "rows": len(members), "label": mostly[not number], "label_rows": len(members),
        "differing": sum(differing[i] > 50 for i in members), "typical": members[0],
    })  # fmt: skip
out.mkdir()
columns = struct.pack(f"<{2 * n}H", *x, *y) + bytes(differing) + bytes(area)
(out / "points.bin").write_bytes(columns)
facts = {"base": "none", "rows": n, "areas": areas}
(out / "map.json").write_text(json.dumps(facts), encoding="utf-8")
