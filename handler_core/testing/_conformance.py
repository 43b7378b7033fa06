"""The whole suite: one class with the tests of all lines."""

from handler_core.testing._contract_tests.c01_start_and_stop import StartAndStopTests
from handler_core.testing._contract_tests.c02_draining import DrainTests
from handler_core.testing._contract_tests.c02_nothing_is_lost import NothingIsLostTests
from handler_core.testing._contract_tests.c03_stop_from_a_callback import StopFromACallbackTests
from handler_core.testing._contract_tests.c04_closed_sockets import ClosedSocketTests
from handler_core.testing._contract_tests.c04_endless_waits import EndlessWaitTests
from handler_core.testing._contract_tests.c04_interpreter_exit import InterpreterExitTests
from handler_core.testing._contract_tests.c05_fork import ForkTests
from handler_core.testing._contract_tests.c05_frozen_tasks import FrozenTaskTests
from handler_core.testing._contract_tests.c05_socket_pairs import ForkedPairTests
from handler_core.testing._contract_tests.c06_nothing_is_left_behind import NothingIsLeftBehindTests
from handler_core.testing._contract_tests.c07_contexts import ContextTests
from handler_core.testing._contract_tests.c07_order import OrderTests
from handler_core.testing._contract_tests.c08_exceptions import ExceptionTests
from handler_core.testing._contract_tests.c09_dispatch_from_anywhere import DispatchTests
from handler_core.testing._contract_tests.c09_signals import SignalTests
from handler_core.testing._contract_tests.c10_outcome import OutcomeTests
from handler_core.testing._contract_tests.c11_timeouts import TimeoutTests
from handler_core.testing._contract_tests.c12_thread_safety import ThreadSafetyTests
from handler_core.testing._contract_tests.c13_links import LinkTests
from handler_core.testing._contract_tests.c14_all_waiters_wake import AllWaitersWakeTests
from handler_core.testing._contract_tests.c15_tracebacks import TracebackTests
from handler_core.testing._contract_tests.c16_blocking_the_loop import BlockingTheLoopTests
from handler_core.testing._contract_tests.c17_select import SelectTests
from handler_core.testing._contract_tests.c17_select_while_waiting import SelectWhileWaitingTests
from handler_core.testing._contract_tests.c18_connect import ConnectTests
from handler_core.testing._contract_tests.c18_look_up import LookUpTests
from handler_core.testing._contract_tests.c18_socket_module import SocketModuleTests
from handler_core.testing._contract_tests.c18_ssl_context import SSLContextTests
from handler_core.testing._contract_tests.c18_tls import TLSTests
from handler_core.testing._contract_tests.c19_socket_pair import SocketPairTests
from handler_core.testing._contract_tests.c20_events_and_locks import EventAndLockTests
from handler_core.testing._contract_tests.c20_queues import QueueTests
from handler_core.testing._contract_tests.c20_tasks import TaskTests
from handler_core.testing._contract_tests.c21_timers import TimerTests
from handler_core.testing._contract_tests.c21_timers_and_stop import TimersAndStopTests

__all__ = ["HandlerConformance"]


# C1 is the last base, because pytest begins with the base that is furthest away.
class HandlerConformance(
    TimersAndStopTests,
    TimerTests,
    TaskTests,
    QueueTests,
    EventAndLockTests,
    SocketPairTests,
    TLSTests,
    SSLContextTests,
    SocketModuleTests,
    LookUpTests,
    ConnectTests,
    SelectWhileWaitingTests,
    SelectTests,
    BlockingTheLoopTests,
    TracebackTests,
    AllWaitersWakeTests,
    LinkTests,
    ThreadSafetyTests,
    TimeoutTests,
    OutcomeTests,
    SignalTests,
    DispatchTests,
    ExceptionTests,
    ContextTests,
    OrderTests,
    NothingIsLeftBehindTests,
    ForkTests,
    FrozenTaskTests,
    ForkedPairTests,
    ClosedSocketTests,
    EndlessWaitTests,
    InterpreterExitTests,
    StopFromACallbackTests,
    DrainTests,
    NothingIsLostTests,
    StartAndStopTests,
):
    """The whole contract, C1 to C21, for one model.

    Subclass it, and set :attr:`Suite.handler_name`. Some models must also set other attributes of
    :class:`Suite`.
    """
