"""`yard push` against a real web process, through a network that is watched and can be cut."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.e2e.browser import ROOT
from tests.factories import make_key, make_tenant
from tests.factories_datasets import make_dataset
from tests.fakes.s3_recorder import Recorder, recorder
from tests.push import Yard, write_big
from tests.webserver import WebProcess, web_process
from yard.sending import LocalFile

pytestmark = pytest.mark.django_db(transaction=True)

MB = 10**6


@pytest.fixture(scope="module")
def running(django_db_setup: None) -> Iterator[tuple[WebProcess, Recorder]]:
    """A web process whose store is behind a network that is watched."""
    with (
        recorder(os.environ["S3_ENDPOINT_URL"]) as network,
        web_process(S3_PUBLIC_ENDPOINT_URL=network.url) as web,
    ):
        yield web, network


@pytest.fixture
def network(running: tuple[WebProcess, Recorder]) -> Recorder:
    running[1].heal()
    return running[1]


@pytest.fixture
def yard(running: tuple[WebProcess, Recorder], tmp_path: Path) -> Yard:
    """A customer's shell, with a dataset "Reviews"."""
    tenant = make_tenant()
    make_dataset(tenant, "Reviews")
    return Yard(running[0].url, make_key(tenant), tmp_path)


def test_killed_in_the_middle_the_same_command_sends_only_what_is_missing(
    yard: Yard, network: Recorder, tmp_path: Path
) -> None:
    file = write_big(tmp_path / "reviews.csv", 96 * MB)
    count = -(-96 * MB // (8 * 1024**2))
    at, there = random.SystemRandom().randrange(6, count - 3), threading.Event()

    def look(part: int) -> bool:
        if part == at:
            there.set()
        return False

    network.cut_at = look
    process = yard.start("push", file, "--only-send")
    assert there.wait(60)
    process.kill()
    process.communicate()
    before = sorted(one.part for one in network.heal() if one.status == 200)
    assert 0 < len(before) < count, at
    status, out, err = yard.run("push", file, "--only-send")
    assert status == 0, (out, err)
    assert f"% of {file.name} is there; the rest is sent." in out
    assert "/imports/" in out
    missing = sorted({*range(1, count + 1)} - {*before})
    assert sorted(one.part for one in network.log) == missing
    assert network.arrived() == missing
    network.heal()
    status, out, _err = yard.run("push", file, "--only-send")  # it waits for its columns
    assert (status, network.log) == (0, [])
    assert "is there already" in out


def test_a_network_that_stays_away_ends_the_command_and_keeps_what_has_arrived(
    yard: Yard, network: Recorder, tmp_path: Path
) -> None:
    file = write_big(tmp_path / "reviews.csv", 48 * MB)
    network.cut_at = lambda part: part == 4
    lost: list[float] = []

    def hold(part: int) -> bool:  # part 1 is in the middle of its body when another is given up
        if 2 in Counter(one.part for one in network.log).values():
            lost.append(time.monotonic())
        return part == 1 and not (lost and time.monotonic() - lost[0] > 0.5)

    network.pause_at = hold
    status, _out, err = yard.run("push", file, "--only-send", "--tries", 2)
    assert status == 3, err
    assert "run the same command to go on" in err
    arrived = [one.part for one in network.heal() if one.status == 200]
    status, out, err = yard.run("push", file, "--only-send")
    assert status == 0, (out, err)
    assert not {*network.arrived()} & {*arrived}


def test_what_is_refused_is_said_in_a_sentence_with_an_exit_status(
    yard: Yard, network: Recorder, tmp_path: Path
) -> None:
    small = write_big(tmp_path / "small.csv", 100)
    huge = tmp_path / "huge.csv"
    with huge.open("wb") as target:
        target.truncate(2 * 1024**3)  # a hole: it is refused before its first byte is read
    (tmp_path / "empty.csv").touch()
    status, _out, err = yard.run("push", huge)
    assert status == 1
    assert "huge.csv needs 2.0" in err
    assert "Upgrade the plan" in err
    assert "/usage/" in err
    assert network.log == []
    assert yard.run("push", "empty.csv")[0::2] == (
        1, "yard: empty.csv is empty. Choose another file.\n"
    )  # fmt: skip
    status, _out, err = yard.run("push", "nowhere.csv")
    assert (status, "can't be read: No such file" in err) == (1, True)
    status, _out, err = Yard(yard.url, "mdy_wrong", tmp_path).run("push", small)
    assert status == 1
    assert "key" in err
    assert Yard(yard.url, "", tmp_path).run("push", small)[0] == 2
    assert yard.run("push")[0] == 2
    away = Yard("http://127.0.0.1:9", "mdy_x", tmp_path)
    status, _out, err = away.run("push", small, "--tries", 1)
    assert (status, "http://127.0.0.1:9 can't be reached" in err) == (3, True)


def test_a_file_that_changes_on_its_way_is_not_imported(
    yard: Yard, network: Recorder, tmp_path: Path
) -> None:
    file = write_big(tmp_path / "reviews.csv", 40 * MB)

    def touch(part: int) -> bool:
        if part == 2:
            os.utime(file, ns=(1, 1))
        return False

    network.cut_at = touch
    status, _out, err = yard.run("push", file, "--dataset", "Reviews")
    assert status == 1
    assert "changed while it was sent. Nothing was imported" in err
    headers = {"Authorization": f"Bearer {yard.key}"}
    api = httpx2.Client(base_url=f"{yard.url}/api/v1/", headers=headers)
    (dataset,) = api.get("datasets").json()["data"]
    assert dataset["name"] == "Reviews"
    body = {
        "filename": file.name,
        "bytes": 40 * MB,
        "fingerprint": LocalFile.at(file).fingerprint,
    }
    again = api.post(f"datasets/{dataset['id']}/uploads", json=body)
    assert (again.status_code, again.json()["resumed"]) == (201, False)


@pytest.mark.parametrize("size", [5, 3 * 1024**2 + 1])
def test_the_browser_and_the_command_know_a_file_by_the_same_mark(
    tmp_path: Path, size: int
) -> None:
    file = tmp_path / "评论.csv"
    file.write_bytes(random.Random(size).randbytes(size))
    os.utime(file, ns=(0, 1_700_000_000_123_456_789))
    script = f"""
    import {{ readFileSync, statSync }} from "node:fs";
    import {{ fingerprint }} from "{ROOT}/static/js/upload/fingerprint.js";
    const path = process.argv[1];
    const lastModified = Math.floor(statSync(path).mtimeMs);
    console.log(await fingerprint(new File([readFileSync(path)], "评论.csv", {{ lastModified }})));
    """
    node = shutil.which("node")
    assert node
    done = subprocess.run(
        [node, "--input-type=module", "-e", script, str(file)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == LocalFile.at(file).fingerprint


def test_the_client_is_a_package_of_its_own_and_no_module_named_client() -> None:
    assert not (ROOT / "platform" / "client" / "__init__.py").exists()
    done = subprocess.run(
        ["git", "grep", "-nE", r"^\s*(from|import) client\b", "--", "*.py"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == ""
