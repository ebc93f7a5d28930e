"""Run one model server: `python -m training.serving.runtime --shard 0 --name NODE --cache DIR`.

The URL of Valkey comes from `MODELYARD_SERVING_URL` (it holds a password) or `--valkey`.
Started and supervised by `child.py`; stdin is its leash and control line.
"""

from __future__ import annotations

import argparse
import os
import signal
from pathlib import Path

from training.engine.artifact import verify
from training.serving.runtime import engines
from training.serving.runtime.cache import ModelCache
from training.serving.runtime.control import Control, Output
from training.serving.runtime.server import ModelServer
from training.serving.runtime.streams import Streams

URL_VARIABLE = "MODELYARD_SERVING_URL"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m training.serving.runtime")
    parser.add_argument("--shard", required=True)
    parser.add_argument("--name", required=True, help="stable over restarts, one a worker")
    parser.add_argument("--valkey", default=os.environ.get(URL_VARIABLE, ""))
    parser.add_argument("--cache", required=True, type=Path, help="models lie below this folder")
    parser.add_argument("--cache-bytes", type=int, default=4 << 30)
    parser.add_argument("--engine", default=engines.TORCH)
    arguments = parser.parse_args()
    if not arguments.valkey:
        parser.error(f"set {URL_VARIABLE} or --valkey to the URL of the serving Valkey")
    return arguments


def main() -> None:
    """Serve until the leash is cut, `drain` is said, or SIGTERM arrives."""
    arguments = _arguments()
    output = Output(os.dup(1))
    os.dup2(2, 1)  # whatever a library prints must not look like an answer
    cache = ModelCache(
        make=engines.factory(arguments.engine),
        verify=verify,
        capacity=arguments.cache_bytes,
        on_evict=lambda version: output.event("evicted", version=version),
    )
    streams = Streams(arguments.valkey, shard=arguments.shard, name=arguments.name)
    server = ModelServer(streams=streams, cache=cache, log=output.event)
    leaving = False

    def leave(*_: object) -> None:
        nonlocal leaving
        leaving = True
        server.drain()

    signal.signal(signal.SIGTERM, leave)
    control = Control(
        root=arguments.cache, cache=cache, output=output, stats=server.stats, drain=leave
    )
    control.start()
    output.event("started")
    while not leaving and not control.begun.wait(0.1):
        pass
    if control.begun.is_set():
        server.run()


if __name__ == "__main__":
    main()
