"""Chromium for the browser tests, from packages alone: nothing installed by hand.

The browser is in the npm package `@sparticuz/chromium`, with the libraries it links to and
Latin fonts; the Chinese font is the wheel `cvttf-notosanscjk-regular`.
"""

from __future__ import annotations

import fcntl
import importlib.metadata
import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "var" / "browser"
# The package's own list has --disable-web-security, which would hide CORS faults.
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--no-zygote",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--force-color-profile=srgb", "--font-render-hinting=none",
]  # fmt: skip
_FONTS = """<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>{folders}<cachedir>{cache}</cachedir>
<alias><family>sans-serif</family>
<prefer><family>Open Sans</family><family>Noto Sans CJK TC</family></prefer></alias>
<alias><family>monospace</family>
<prefer><family>DejaVu Sans Mono</family><family>Open Sans</family></prefer></alias>
</fontconfig>
"""


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the folder's lock: test processes side by side unpack it once."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (FOLDER / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _unpack() -> None:
    if (FOLDER / "ready").exists():
        return
    subprocess.run(["node", "tests/e2e/unpack.mjs", str(FOLDER)], cwd=ROOT, check=True)
    for name in ("al2023.tar", "fonts.tar"):
        with tarfile.open(FOLDER / name) as archive:
            archive.extractall(FOLDER, filter="data")
    (FOLDER / "chromium").chmod(0o755)
    (FOLDER / "ready").touch()


def _name_the_fonts() -> None:
    folders = "".join(f"<dir>{folder}</dir>" for folder in _font_folders())
    draft = FOLDER / "fonts.conf.new"
    draft.write_text(_FONTS.format(folders=folders, cache=FOLDER / "fontcache"))
    draft.replace(FOLDER / "fonts.conf")


def _font_folders() -> list[Path]:
    files = importlib.metadata.files("cvttf-notosanscjk-regular") or []
    # The wheel also lays a copy at the environment's root, whose folder is no font folder.
    inside = [file for file in files if file.suffix == ".otf" and file.parts[0] != ".."]
    chinese = {Path(str(file.locate())).parent for file in inside}
    return [FOLDER / "fonts", *sorted(chinese)]


def _environment() -> dict[str, str]:
    libraries = [str(FOLDER / "lib")]
    inherited = os.environ.get("LD_LIBRARY_PATH")
    return {
        **os.environ,
        "FONTCONFIG_FILE": str(FOLDER / "fonts.conf"),
        "LD_LIBRARY_PATH": ":".join(libraries + ([inherited] if inherited else [])),
        "HOME": str(FOLDER),
        # In a C locale navigator.language is "en-US@posix", which Intl refuses.
        "LANG": "en_US.UTF-8",
        "LC_ALL": "en_US.UTF-8",
    }


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run a headless Chromium."""
    with _alone():
        _unpack()
        _name_the_fonts()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=str(FOLDER / "chromium"),
            args=ARGUMENTS,
            env=_environment(),
            ignore_default_args=["--enable-automation"],
        )
        try:
            yield browser
        finally:
            browser.close()
