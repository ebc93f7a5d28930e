"""The Lua scripts that hold the truth of the serving path, read once."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent

DOOR = (_FOLDER / "door.lua").read_text("utf-8")
FINISH = (_FOLDER / "finish.lua").read_text("utf-8")
CANCEL = (_FOLDER / "cancel.lua").read_text("utf-8")
PUT = (_FOLDER / "put.lua").read_text("utf-8")
