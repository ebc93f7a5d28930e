"""5 GB by `yard push`, killed in the middle: memory of the web process flat, no part sent twice."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from tests.factories import make_key, make_tenant
from tests.factories_datasets import make_dataset
from tests.fakes.s3_recorder import recorder
from tests.memory import Memory
from tests.push import Yard, write_big
from tests.webserver import web_process

GB = 10**9
SIZE = 5 * GB
PARTS = -(-SIZE // (8 * 1024**2))
NEEDED = 15 * GB

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(1800)]


def test_five_gigabytes_go_by_the_command(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    assert free >= NEEDED, f"this needs 15 GB of free disk; {tmp_path} has {free / GB:.1f} GB"
    tenant = make_tenant()
    make_dataset(tenant, "big")
    file = write_big(tmp_path / "big.csv", SIZE)
    half = threading.Event()
    try:
        with (
            recorder(os.environ["S3_ENDPOINT_URL"]) as network,
            web_process(S3_PUBLIC_ENDPOINT_URL=network.url, BILLING="off") as web,
        ):
            yard = Yard(web.url, make_key(tenant), tmp_path)
            for number in range(8):  # both workers have loaded what they load once
                small = write_big(tmp_path / f"small{number}.csv", 1000)
                assert yard.run("push", small, "--only-send", "--dataset", "big")[0] == 0
            with Memory(web.pid) as memory:
                network.cut_at = lambda part: part > PARTS // 2 and half.set() is not None
                process = yard.start("push", file, "--only-send", "--dataset", "big")
                assert half.wait(600)
                process.kill()
                process.communicate()
                before = sorted(one.part for one in network.heal() if one.status == 200)
                began = time.monotonic()
                status, out, err = yard.run("push", file, "--only-send", "--dataset", "big")
                seconds = time.monotonic() - began
                assert status == 0, (out, err)
                missing = sorted({*range(1, PARTS + 1)} - {*before})
                assert sorted(one.part for one in network.log) == network.arrived() == missing
            print(
                f"{out}\n{len(missing)} parts in {seconds:.0f} s, web +{memory.grown / 1e6:.1f} MB"
            )
            assert memory.grown < 50e6
    finally:
        file.unlink()
