"""How much is measured: everything, or just enough to show that all of it works."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["FULL", "FULL_PURE", "QUICK", "SCALES", "Scale"]


class Scale(NamedTuple):
    """Counts.

    Attributes:
        name: its name in :data:`SCALES`.
        rounds: how often the sides of a row take turns.
        longest: seconds that a run of one side should take at the most; it gets fewer operations.
        loops: what the operations of a row are multiplied with.
        results: how many pending results are weighed.
        queued: how many callbacks are queued, in the order in which they are measured.
        pending: how many results are pending.
        descriptors: how many descriptors are selected from.
        handlers: how many handlers are started.
        waiters: how many tasks wait for one result.
        repeats: how often each size is measured in a process.
        passes: in how many processes each size is measured.
        processes: how many new processes each side of the look-up starts.
        alternations: how often the two handlers take turns at a server.
        in_flight: how many requests are sent before the first answer is read.
        one_by_one: how many requests are sent one at a time.
    """

    name: str
    rounds: int
    longest: float
    loops: float
    results: int
    queued: tuple[int, ...]
    pending: tuple[int, ...]
    descriptors: tuple[int, ...]
    handlers: tuple[int, ...]
    waiters: tuple[int, ...]
    repeats: int
    passes: int
    processes: int
    alternations: int
    in_flight: int
    one_by_one: int


FULL = Scale(
    name="full",
    rounds=15,
    longest=0.15,
    loops=1,
    results=20_000,
    queued=(1_000, 100_000, 1_000_000),
    pending=(100_000, 1_000_000),
    descriptors=(1, 10, 100, 1_000, 4_000),
    handlers=(100, 1_000, 2_000),
    waiters=(1, 10, 100, 1_000),
    repeats=3,
    passes=3,
    processes=25,
    alternations=5,
    in_flight=5_000,
    one_by_one=1_000,
)

#: For the Python source, where a compiled build is measured in full.
FULL_PURE = FULL._replace(name="full-pure", rounds=8, alternations=3)

QUICK = Scale(
    name="quick",
    rounds=2,
    longest=0.02,
    loops=0.02,
    results=100,
    queued=(10, 100),
    pending=(100, 200),
    descriptors=(1, 10),
    handlers=(2, 5),
    waiters=(1, 3),
    repeats=2,
    passes=1,
    processes=2,
    alternations=1,
    in_flight=50,
    one_by_one=20,
)

SCALES = {scale.name: scale for scale in (FULL, FULL_PURE, QUICK)}
