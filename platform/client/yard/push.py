"""`yard push`: send a file, look at what was found in it, import it, say what came of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from yard.failures import Refused, Unanswered
from yard.screen import Screen, Speed, size, span
from yard.sending import LocalFile, Sending
from yard.wire import Api

SHOWN_ROWS = 5
LOOK_AGAIN = (0.2, 2.0)
UNTAKEN = 30.0


@dataclass(frozen=True)
class Wish:
    """What the person asked for.

    Attributes:
        file: Which file.
        dataset: Name or id; empty takes the file's name.
        text: Column of the text; empty takes the guess.
        label: Column of the label; None takes the guess, empty is no label.
        yes: Import without asking.
        only_send: Stop when the file lies in the store.
    """

    file: Path
    dataset: str
    text: str
    label: str | None
    yes: bool
    only_send: bool


class Push:
    """One file from the disk into a dataset."""

    def __init__(self, api: Api, screen: Screen, wish: Wish) -> None:
        """Keep who, where and what."""
        self._api, self._screen, self._wish = api, screen, wish
        self._page = ""

    def run(self) -> None:
        """Do it; every step that was done before is found done.

        Raises:
            Failure: With a sentence that says what to do.
        """
        file = LocalFile.at(self._wish.file)
        dataset = self._dataset()
        upload = self._send(file, dataset)
        if self._wish.only_send:
            self._screen.say(f"{file.path.name} is in the store. Its import waits at {self._page}")
            return
        row = self._follow(upload, "verifying")
        if row["status"] == "mapping":
            self._import(row, dataset["name"])
            row = self._follow(upload, "importing")
        elif row["status"] == "importing":
            row = self._follow(upload, "importing")
        self._tell(row)

    def _dataset(self) -> dict[str, Any]:
        wanted = self._wish.dataset or self._wish.file.stem
        for one in self._datasets():
            if wanted == one["id"] or one["name"].casefold() == wanted.casefold():
                return one
        made: dict[str, Any] = self._api.post("datasets", {"name": wanted[:120]})
        self._screen.say(f"New dataset “{made['name']}”.")
        return made

    def _datasets(self) -> Iterator[dict[str, Any]]:
        page = self._api.get("datasets", limit="100")
        yield from page["data"]
        while page.get("next"):
            page = self._api.get(page["next"])
            yield from page["data"]

    def _send(self, file: LocalFile, dataset: dict[str, Any]) -> str:
        body = {"filename": file.path.name, "bytes": file.bytes, "fingerprint": file.fingerprint}
        opened = self._api.post(f"datasets/{dataset['id']}/uploads", body)
        name, there = file.path.name, opened["received_bytes"]
        if opened["status"] != "receiving":
            self._screen.say(f"{name} is there already; its import goes on.")
        else:
            if there:
                percent = 100 * there // file.bytes
                self._screen.say(f"{percent} % of {name} is there; the rest is sent.")
            self._send_parts(file, opened)
        done = self._api.post(f"uploads/{opened['id']}/finish")
        self._page = urljoin(self._api.url, done["next_url"])
        return str(opened["id"])

    def _send_parts(self, file: LocalFile, opened: dict[str, Any]) -> None:
        speed, began = Speed(file.bytes), time.monotonic()

        def moved(done: int) -> None:
            speed.see(done, time.monotonic())
            text = f"{file.path.name}: {size(done)} of {size(file.bytes)}"
            if speed.rate is not None:
                text += f", {size(speed.rate)}/s"
            if speed.left is not None:
                text += f", {span(speed.left)} left"
            self._screen.moving(text)

        moved(opened["received_bytes"])
        try:
            Sending(self._api, file, opened, moved).run()
        except Refused as refusal:
            if refusal.code == "file_changed":
                self._api.post(f"uploads/{opened['id']}/abandon")
            raise
        sent = file.bytes - opened["received_bytes"]
        seconds = max(time.monotonic() - began, 0.001)
        self._screen.say(
            f"{file.path.name}: {size(sent)} sent in {span(seconds)}, {size(sent / seconds)}/s."
        )

    def _follow(self, upload: str, status: str) -> dict[str, Any]:
        """Watch the upload until it leaves `status`; return it as it is then."""
        began, wait = time.monotonic(), LOOK_AGAIN[0]
        while True:
            row: dict[str, Any] = self._api.get(f"uploads/{upload}")
            if row["status"] != status:
                return row
            self._screen.moving(_how_far(row, time.monotonic() - began))
            time.sleep(wait)
            wait = min(wait * 1.3, LOOK_AGAIN[1])

    def _import(self, row: dict[str, Any], dataset: str) -> None:
        preview = row["preview"]
        text, label = self._columns(preview)
        self._show(preview, text, label)
        if not self._wish.yes:
            answer = self._screen.ask(f"Import {row['filename']} into “{dataset}”?")
            if not answer:
                why = "Nobody is here to say yes: add --yes. " if answer is None else ""
                raise Unanswered(
                    f"{why}Nothing was imported. The file waits at {self._page}", code="unanswered"
                )
        self._api.post(f"uploads/{row['id']}/import", {"text": text, "label": label})

    def _columns(self, preview: dict[str, Any]) -> tuple[str, str | None]:
        names: list[str] = preview["columns"]
        text = self._wish.text or preview["source"].get("text") or ""
        label = preview["source"].get("label") if self._wish.label is None else self._wish.label
        if label == text:
            label = None
        for option, name in (("--text", text), ("--label", label)):
            if (name or option == "--text") and name not in names:
                raise Refused(
                    f"Choose {option}: the file has the columns {', '.join(names[:20])}. "
                    f"It waits at {self._page}",
                    code="column_missing",
                )
        return text, label or None

    def _show(self, preview: dict[str, Any], text: str, label: str | None) -> None:
        names, source = preview["columns"], preview["source"]
        facts = ", ".join(filter(None, (source.get("format"), source.get("encoding"))))
        columns = f"text: {text}, label: {label or 'none'}"
        self._screen.say(f"Read as {facts}; {columns}. The first rows as they will be stored:")
        guessed = (source.get("text"), source.get("label") or None) == (text, label)
        for row in preview["stored" if guessed else "rows"][:SHOWN_ROWS]:
            cells = dict(zip(names, row.get("cells", ()), strict=False))
            body = row["text"] if guessed else cells.get(text, "")
            kind = (row["label"] if guessed else cells.get(label or "", "")) or ""
            told = f"{kind.strip()[:24]:<24}  " if label is not None else ""
            self._screen.say(f"  {row['line']:>6}  {told}{' '.join(body.split())[:80]}")
        if preview.get("faults"):
            self._screen.say(f"{preview['faults']} of the first rows can't be imported.")

    def _tell(self, row: dict[str, Any]) -> None:
        if row["status"] != "done":
            error = row.get("error") or {}
            why = error.get("detail") or f"the import is {row['status']}."
            raise Refused(
                f"{row['filename']} was not imported: {why}", code=error.get("code", "failed")
            )
        counts, progress = row["counts"], row["progress"]
        self._screen.say(
            f"{counts['rows_added']:,} rows imported, {counts['rows_repeated']:,} were there "
            f"already, {counts['rows_rejected']:,} rejected, "
            f"{progress['rows_per_second']:,} rows/s."
        )
        if counts["rows_rejected"]:
            self._screen.say(f"Rejected rows, with line and reason: {self._page}rejects")
        self._screen.say(self._page)


def _how_far(row: dict[str, Any], seconds: float) -> str:
    if row["status"] == "verifying":
        late = "; no worker has taken it yet" if seconds > UNTAKEN else ""
        return f"{row['filename']}: checking{late}"
    progress, counts = row["progress"], row["counts"]
    text = f"{row['filename']}: {progress['percent']} %, {counts['rows_read']:,} rows"
    if progress["rows_per_second"]:
        text += f", {progress['rows_per_second']:,} rows/s"
    if progress["eta_seconds"]:
        text += f", {span(progress['eta_seconds'])} left"
    if not counts["rows_read"] and seconds > UNTAKEN:
        text += "; no worker has taken it yet"
    return text
