"""What gunicorn calls in each worker: ``gunicorn --workers 4 wsgi_app:app``."""

from typing import Any


def post_worker_init(worker: Any) -> None:
    """Connect. By now the worker class of gevent has patched the process."""
    import client

    client.connect()


def worker_exit(server: Any, worker: Any) -> None:
    """End the session, so that its ephemeral nodes are gone at once."""
    import client

    client.disconnect()
