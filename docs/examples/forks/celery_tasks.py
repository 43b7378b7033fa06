"""Tasks of Celery, with a client in each process of the pool: ``celery -A celery_tasks worker``."""

import os
from typing import Any

import client
from celery import Celery
from celery.signals import worker_process_init, worker_process_shutdown

app = Celery("tasks", broker=os.environ.get("BROKER", "redis://localhost"))


@worker_process_init.connect
def connect(**_: Any) -> None:
    client.connect()


@worker_process_shutdown.connect
def disconnect(**_: Any) -> None:
    client.disconnect()


@app.task
def children(path: str) -> list[str]:
    return sorted(client.zk.get_children(path))
