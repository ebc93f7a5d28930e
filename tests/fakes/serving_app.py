"""A Celery app with nothing but the model server's step, for a worker in a process of its own."""

from __future__ import annotations

import os

from celery import Celery

from training.serving import worker

app = Celery("serving_test", broker=os.environ["BROKER_URL"])
app.conf.worker_hijack_root_logger = False
worker.attach(app)


@app.task(name="test.serve", ignore_result=True)
def serve() -> None:
    worker.current_server().serve()
