"""The contract in short: a few words for each line, which explain a failing test.

The documentation has a page on the contract with more words, and an anchor for each line. The
address of the documentation comes from the metadata of the distribution.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from handler_core.lookup._documentation import documentation

__all__ = ["CONTRACT", "Line", "line_of"]


class Line(NamedTuple):
    """A line of the contract.

    Attributes:
        number: 1 to 21.
        title: its heading.
        promise: what it demands, in short.
    """

    number: int
    title: str
    promise: str

    @property
    def heading(self) -> str:
        """The number and title together: ``C13 Links``."""
        return f"C{self.number} {self.title}"

    @property
    def url(self) -> str:
        """The address of its place in the documentation."""
        return documentation(f"reference/contract.html#c{self.number}")


def line_of(test: str) -> Line | None:
    """Return the line that a test of the suite is about, from the name of the test."""
    named = re.match(r"test_c(\d+)_", test)
    return CONTRACT.get(int(named[1])) if named else None


_LINES = (
    (
        "Start and stop",
        "start and stop may each be called twice, and from any thread; a stopped handler can be "
        "started again; where the thread that ran the workers has ended, stop raises a "
        "RuntimeError and does not wait for ever.",
    ),
    (
        "Nothing is lost",
        "When stop returns, all callbacks dispatched and all links of results set before it have "
        "run. What is dispatched to a handler that does not run waits for the next start; links "
        "of a result that is set meanwhile are called at once, by the setter.",
    ),
    (
        "Stop from a callback",
        "stop, called by one of the handler's own callbacks, returns promptly, and what was "
        "queued still runs.",
    ),
    (
        "The interpreter exits",
        "A program can always end, without a hang and without a traceback, also where a callback "
        "blocks for ever or nobody has called stop. No call waits for what can never come: to join "
        "oneself, or a task whose thread, hub or loop has ended, raises a RuntimeError or returns, "
        "and is_alive tells the truth.",
    ),
    (
        "Fork",
        "After os.fork the child has a stopped, empty handler that can be started, and the parent "
        "notices nothing. The parent's tasks stand still in the child: none of their code runs, "
        "they count as ended, and locks are handed over to the child's own tasks. Each process has "
        "a socket pair of its own.",
    ),
    (
        "Nothing is left behind",
        "A stopped handler that nobody refers to is garbage-collected, and leaves no thread, "
        "descriptor, exit function or memory behind.",
    ),
    (
        "Order",
        "Callbacks run one at a time, in the order of dispatch; links run on a second worker, one "
        "at a time, in the order in which the results were set; neither can block the other. A "
        "wrapper gets the very object that was dispatched. No callback or link sees the context "
        "variables of another request.",
    ),
    (
        "Exceptions",
        "What a callback raises is logged once, with its traceback, by the logger handler_core, "
        "and the worker goes on; KeyboardInterrupt and SystemExit go where the model sends those "
        "of a task, and the worker goes on too.",
    ),
    (
        "Dispatch from anywhere",
        "dispatch_callback may be called from any thread of the operating system, and wakes an "
        "idle worker; what is no callback is refused with a TypeError. A handler of signal.signal "
        "may dispatch, link, spawn, and set a result or an event, and wakes whoever waits at once.",
    ),
    (
        "The outcome",
        "ready, successful, value and exception tell what the outcome is; a later set or "
        "set_exception replaces it.",
    ),
    (
        "Timeouts",
        "get and wait never time out early, and on an idle machine at most 50 milliseconds late. "
        "get then raises handler.timeout_exception, in a form that is a builtin TimeoutError "
        "too; wait returns False. timeout_error makes such an exception for clients to raise.",
    ),
    (
        "Thread safety",
        "set, set_exception, link, unlink, get and wait are safe from any thread of the operating "
        "system, and who waits is woken at once, without polling.",
    ),
    (
        "Links",
        "A linked callback is called exactly once, with the result as its only argument, whether "
        "it was linked before or after the outcome came. Linked twice while the result is pending "
        "counts once; unlink before the outcome removes it.",
    ),
    (
        "All waiters wake",
        "When the outcome comes, every task and every thread that waits for it goes on.",
    ),
    (
        "Tracebacks do not grow",
        "One exception may be raised by many gets and stored in many results, and its traceback "
        "never becomes longer than one get makes it.",
    ),
    (
        "No blocking of the event loop",
        "A wait that would block the event loop, where the caller cannot park, raises a "
        "RuntimeError that says what to do instead; a wait that is already over returns.",
    ),
    (
        "Select",
        "select does what select.select does: the caller's own objects come back, in the lists in "
        "which they were given, out-of-band data in the third; any number of descriptors; the "
        "same errors. While it waits, other tasks go on.",
    ),
    (
        "Connections",
        "create_connection has one deadline for look-up, connect and TLS; tries every address of "
        "the name; takes the path of a Unix socket; checks certificates and host names; lets other "
        "tasks run; sets TCP_NODELAY and close-on-exec; and leaves no descriptor open when it "
        "fails. A context of ssl_context does the same for a library that sets TLS up by itself. "
        "socket_module does what the module socket does.",
    ),
    (
        "The socket pair",
        "Both ends are sockets of the model. However many bytes are sent before anyone reads, "
        "send neither blocks nor raises, and every byte arrives, in order.",
    ),
    (
        "Events, locks, queues, sleep, spawn",
        "They behave as those of the standard library, before start and after stop too, and let "
        "other tasks run while they wait.",
    ),
    (
        "Timers",
        "call_later calls its function when the time is over and not before, in the order of the "
        "times, in a task of the handler that no callback blocks; from any thread, and from a "
        "signal handler. cancel tells if that has kept the function from being called. What is "
        "pending at the end of stop is dropped, and a forked child has none.",
    ),
)

#: The lines by their numbers.
CONTRACT = {number: Line(number, *line) for number, line in enumerate(_LINES, start=1)}
