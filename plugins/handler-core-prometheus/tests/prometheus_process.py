"""Programs whose handler is measured, and the models to run them on."""

from __future__ import annotations

import pytest

from handler_core.testing import Suite

# A real scrape. Another process asks, because a model cannot serve and ask at the same time.
SCRAPE = """
import logging, os, subprocess, sys
logging.getLogger("handler_core").addHandler(logging.NullHandler())  # callbacks fail on purpose
from prometheus_client import start_http_server
from prometheus_client.parser import text_string_to_metric_families

server, _ = start_http_server(0, addr="127.0.0.1")

ASK = (
    "import sys, urllib.request;"
    "sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode())"
)

def scrape():
    url = f"http://127.0.0.1:{server.server_port}/metrics"
    asking = subprocess.Popen([sys.executable, "-c", ASK, url], stdout=subprocess.PIPE)
    while asking.poll() is None:  # a green server answers meanwhile
        handler.sleep_func(0.01)
    assert asking.returncode == 0
    return {
        (sample.name, sample.labels["handler"], *filter(None, [sample.labels.get("kind")])):
            sample.value
        for family in text_string_to_metric_families(asking.stdout.read().decode())
        for sample in family.samples
        if sample.name.startswith("handler_core_")
    }

def until(condition):
    while not condition():
        handler.sleep_func(0.001)

name = handler.name

def value(metric, **labels):
    from prometheus_client import REGISTRY
    return REGISTRY.get_sample_value("handler_core_" + metric, {"handler": name, **labels})
"""


class PrometheusProcess(Suite):
    """Runs programs. The environment asks for the wrapper."""

    @pytest.fixture(autouse=True)
    def by_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HANDLER_CORE_WRAPPERS", "prometheus")

    def run(self, program: str) -> str:
        return self.run_script(SCRAPE + program)


class Threading:
    handler_name = "threading"


class Gevent:
    handler_name = "gevent"


class GeventPatched:
    handler_name = "gevent"
    prelude = "from gevent import monkey; monkey.patch_all()"


class Eventlet:
    handler_name = "eventlet"


class EventletPatched:
    handler_name = "eventlet"
    prelude = "import eventlet; eventlet.monkey_patch()"


class Asyncio:
    handler_name = "asyncio"
