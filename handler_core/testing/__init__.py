"""For tests: the conformance suite, what it is made of, and a real ZooKeeper server.

The tests of a plugin subclass the suite, in three lines::

    from handler_core.testing import HandlerConformance

    class TestConformance(HandlerConformance):
        handler_name = "threading"

The name of each test begins with the line of the contract that it tests.

The names below are public, and all else in this package is internal. A name is imported when it is
first used. So :class:`ZooKeeperServer`, :func:`running_server` and the time limits need nothing
else, and only the rest needs what ``pip install "handler-core[testing]"`` installs.
"""

import sys as _sys
import typing

from handler_core.execution._lazy_imports import lazy_names as _lazy_names

if typing.TYPE_CHECKING:
    from handler_core.testing._conformance import HandlerConformance
    from handler_core.testing._open_descriptors import open_descriptors
    from handler_core.testing._os_thread import OSThread
    from handler_core.testing._suite import Suite, calling
    from handler_core.testing._time_limits import LIMIT, LONG
    from handler_core.testing._zookeeper_server import ZooKeeperServer
    from handler_core.testing._zookeeper_settings import TLSIdentity
    from handler_core.testing.echo_server import RunningServer, running_server

__all__ = [
    "LIMIT",
    "LONG",
    "HandlerConformance",
    "OSThread",
    "RunningServer",
    "Suite",
    "TLSIdentity",
    "ZooKeeperServer",
    "calling",
    "open_descriptors",
    "running_server",
]

# pytest must know of these modules before they are imported, to explain their asserts. A process
# without pytest runs no tests, and needs no explanations.
if "pytest" in _sys.modules:
    _sys.modules["pytest"].register_assert_rewrite(
        *(f"{__name__}.{module}" for module in ("_contract_tests", "_os_thread", "_suite"))
    )

__getattr__, __dir__ = _lazy_names(
    __name__,
    {
        "._conformance": "HandlerConformance",
        "._open_descriptors": "open_descriptors",
        "._os_thread": "OSThread",
        "._suite": "Suite calling",
        "._time_limits": "LIMIT LONG",
        "._zookeeper_server": "ZooKeeperServer",
        "._zookeeper_settings": "TLSIdentity",
        ".echo_server": "RunningServer running_server",
    },
)
