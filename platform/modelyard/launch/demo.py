"""`modelyard demo`: the main job on real text, as a new customer, through the public API.

Sign up, upload, import, freeze, train, register, deploy, predict; then the site stays up.
"""

from __future__ import annotations

import argparse
import csv
import secrets
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from modelyard.embedded.errors import StackError
from modelyard.embedded.stack import Stack
from modelyard.embedded.supervisor import until_signal
from modelyard.launch import sample
from modelyard.launch.client import Account, Api, CallRefused
from modelyard.launch.site import Place, Site
from modelyard.launch.up import place_on, state_folder

QUESTION = "A quiet, moving film with one of the year's best performances."


@dataclass(frozen=True)
class Outcome:
    """What the demo shows at the end."""

    version: Mapping[str, Any]
    report: Mapping[str, Any]
    deployment: Mapping[str, Any]
    answer: Mapping[str, Any]
    line: Mapping[str, Any]


class Show:
    """Bars with percentages and times left, one a step."""

    def __init__(self, console: Console) -> None:
        """Prepare the bars."""
        self.progress = Progress(
            TextColumn("{task.description:<34}"),
            BarColumn(bar_width=30),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
            refresh_per_second=4,
        )

    def step(self, title: str) -> TaskID:
        """Begin a step."""
        return self.progress.add_task(title, total=100, note="")

    def to(self, task: TaskID, percent: float, note: str = "") -> None:
        """Move a step's bar."""
        self.progress.update(task, completed=percent, note=note)

    def done(self, task: TaskID, note: str) -> None:
        """Fill a step's bar."""
        self.progress.update(task, completed=100, note=note)


def _eta(seconds: object) -> str:
    if not isinstance(seconds, int | float):
        return ""
    return f"about {seconds:.0f} s left" if seconds < 90 else f"about {seconds / 60:.0f} min left"


def _columns(path: Path) -> tuple[str, str]:
    """Return the text and the label column of a CSV: by name, else the first two."""
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as stream:
        header = next(csv.reader(stream), [])
    lower = {name.strip().lower(): name for name in header}
    text = next((lower[n] for n in ("text", "sentence", "content", "body") if n in lower), "")
    label = next((lower[n] for n in ("label", "class", "category", "intent") if n in lower), "")
    if not (text and label) and len(header) < 2:
        raise StackError("no_columns", f"{path} needs a column of texts and one of labels.")
    return text or header[0], label or header[1]


class Customer:
    """The demo's customer, step by step."""

    def __init__(self, api: Api, show: Show) -> None:
        """Keep the API and the bars."""
        self.api = api
        self.show = show

    def import_file(self, path: Path) -> str:
        """Upload and import a CSV; return the dataset's id."""
        name = f"{path.stem}-{secrets.token_hex(2)}"
        dataset = self.api.post("datasets", {"name": name})["id"]
        bar = self.show.step("Upload to the object store")
        upload = self.api.upload(dataset, path, lambda at, of: self.show.to(bar, 100 * at / of))
        self.show.done(bar, f"{path.stat().st_size / 1024:,.0f} kB")
        bar = self.show.step("Import rows")
        stops = frozenset({"mapping", "rejected", "abandoned"})
        self.api.wait(f"uploads/{upload}", stops, every=0.2)
        text, label = _columns(path)
        self.api.post(f"uploads/{upload}/import", {"text": text, "label": label})

        def watch(row: Mapping[str, Any]) -> None:
            at = row.get("progress") or {}
            self.show.to(bar, float(at.get("percent") or 0), _eta(at.get("eta_seconds")))

        row = self.api.wait(
            f"uploads/{upload}", frozenset({"done", "rejected"}), every=0.2, watch=watch
        )
        if row["status"] == "rejected":
            raise CallRefused(422, row["error"])
        counts = row["counts"]
        said = f"{counts['rows_added']:,} rows, {counts['rows_rejected']:,} rejected"
        self.show.done(bar, said)
        return str(dataset)

    def freeze(self, dataset: str) -> Mapping[str, Any]:
        """Freeze a version with its split."""
        bar = self.show.step("Freeze version 1")
        made = self.api.post(f"datasets/{dataset}/versions")
        row: Mapping[str, Any] = self.api.wait(
            f"versions/{made['id']}", frozenset({"frozen", "failed"}), every=0.2
        )
        splits = row["split_counts"]
        self.show.done(bar, ", ".join(f"{n:,} {name}" for name, n in splits.items()))
        return row

    def train(self, version: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Fine-tune and wait; return the run and its report."""
        bar = self.show.step("Fine-tune and evaluate")
        body = {"dataset_version_id": version, "preset": "balanced", "model_name": "sentiment"}
        run = self.api.post("runs", body)

        def watch(row: Mapping[str, Any]) -> None:
            note = f"{row.get('phase') or row['status']}  {_eta(row.get('eta_seconds'))}"
            self.show.to(bar, float(row.get("percent") or 0), note)

        stops = frozenset({"succeeded", "failed", "cancelled"})
        row = self.api.wait(f"runs/{run['id']}", stops, seconds=1800, watch=watch)
        if row["status"] != "succeeded":
            raise CallRefused(409, {"code": row["error_code"], "detail": row["error_message"]})
        report = self.api.get(f"runs/{run['id']}/report")
        self.show.done(bar, f"macro-F1 {report['test']['macro_f1']:.3f}")
        return row, report

    def deploy(self, model_version: str) -> Mapping[str, Any]:
        """Deploy and wait until it is live."""
        bar = self.show.step("Deploy")
        name = f"sentiment-{secrets.token_hex(2)}"
        self.api.post("deployments", {"name": name, "version_id": model_version})
        row: Mapping[str, Any] = self.api.wait(
            f"deployments/{name}", frozenset({"live", "failed"}), every=0.2
        )
        if row["status"] == "failed":
            raise CallRefused(409, {"code": row["error_code"], "detail": row["error"]})
        self.show.done(bar, name)
        return row

    def ask(self, name: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        """Predict once and wait for the ledger's line."""
        bar = self.show.step("Predict, and find it in the ledger")
        answer = self.api.post(f"deployments/{name}/predict", {"inputs": QUESTION})
        end = time.monotonic() + 30
        while time.monotonic() < end:
            lines = self.api.get("usage/entries", request_id=answer["request_id"])["data"]
            if lines:
                self.show.done(bar, answer["predictions"][0]["label"])
                return answer, lines[0]
            time.sleep(0.2)
        raise CallRefused(500, {"detail": "the prediction did not reach the ledger within 30 s"})

    def whole(self, path: Path) -> Outcome:
        """Do the main job."""
        dataset = self.import_file(path)
        version = self.freeze(dataset)
        run, report = self.train(version["id"])
        deployment = self.deploy(run["model_version_id"])
        answer, line = self.ask(deployment["name"])
        return Outcome(version, report, deployment, answer, line)


def _tell(console: Console, place: Place, account: Account, outcome: Outcome) -> None:
    test, baseline = outcome.report["test"], outcome.report["baseline"]
    low, high = test["macro_f1_interval"]
    prediction = outcome.answer["predictions"][0]
    console.print()
    for name, value in (
        ("dataset hash", outcome.version["content_hash"]),
        (
            "macro-F1, fine-tuned",
            f"{test['macro_f1']:.3f}  (95 % interval {low:.3f} to {high:.3f})",
        ),
        ("macro-F1, TF-IDF baseline", f"{baseline['macro_f1']:.3f}  on the same test rows"),
        ("deployment", f"{place.url}/api/v1/deployments/{outcome.deployment['name']}/predict"),
        ("question", QUESTION),
        ("answer", f"{prediction['label']}  {prediction['score']:.3f}"),
        ("request id", outcome.answer["request_id"]),
        (
            "ledger line",
            f"{outcome.line['meter']} {outcome.line['amount']} at {outcome.line['at']}",
        ),
        ("site", f"{place.url}/t/{account.slug}/"),
        ("login", f"{account.email}  password {account.password}"),
    ):
        console.print(f"[bold]{name:<28}[/bold]{value}", soft_wrap=True)


def _run(console: Console, place: Place, path: Path) -> None:
    show = Show(console)
    with show.progress:
        bar = show.step("Sign up")
        address = f"demo-{secrets.token_hex(3)}@example.com"
        account = Account.sign_up(place.url, email=address, mail=place.state / "mail")
        api = Api(place.url, account.create_key())
        show.done(bar, f"workspace {account.slug}")
        outcome = Customer(api, show).whole(path)
    _tell(console, place, account, outcome)


def main(arguments: list[str]) -> int:
    """Run `modelyard demo [--file CSV] [--once] [--port N]`; return the exit status."""
    parser = argparse.ArgumentParser(prog="modelyard demo", description=__doc__)
    parser.add_argument("--file", type=Path, help="a CSV of your own with texts and labels")
    parser.add_argument("--once", action="store_true", help="stop everything at the end")
    parser.add_argument("--port", type=int)
    chosen = parser.parse_args(arguments)
    console = Console(highlight=False)
    state = state_folder()
    try:
        path = chosen.file.resolve(strict=True) if chosen.file else sample.fetch(state / "sample")
        console.print("Starting PostgreSQL, Valkey, object store, web, workers ...")
        with until_signal(), Stack(state=state, say=console.print) as stack:
            place = place_on(stack, state, chosen.port)
            log = state / "log" / "demo-site.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("w") as output, Site(place, guard=stack.guard, output=output):
                _run(console, place, path)
                if not chosen.once:
                    console.print("\nThe site stays up. Ctrl-C stops everything.")
                    threading.Event().wait()
    except FileNotFoundError:
        sys.stderr.write(f"There is no file {chosen.file}. Give the path of a CSV.\n")
        return 1
    except (StackError, CallRefused, TimeoutError) as error:
        sys.stderr.write(f"modelyard demo: {error}\nThe processes' log: {state / 'log'}\n")
        return 1
    return 0
