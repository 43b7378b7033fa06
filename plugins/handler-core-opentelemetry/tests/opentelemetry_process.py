"""Programs in which the real SDK records spans, and the models to run them on."""

from __future__ import annotations

import pytest

from handler_core.testing import Suite

BEGINNING = """
import logging
logging.getLogger("handler_core").addHandler(logging.NullHandler())  # callbacks fail on purpose
from opentelemetry import baggage, context, trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("test")

def spans(name):
    return [span for span in exporter.get_finished_spans() if span.name == name]
"""


class OpenTelemetryProcess(Suite):
    """Runs programs. The environment asks for the wrapper."""

    @pytest.fixture(autouse=True)
    def by_the_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HANDLER_CORE_WRAPPERS", "opentelemetry")

    def run(self, program: str) -> str:
        return self.run_script(BEGINNING + program)


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
