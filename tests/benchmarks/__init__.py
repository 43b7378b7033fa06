"""The benchmarks of ``make bench``: our handlers beside kazoo's and the raw primitives.

Each figure takes turns with the figures that it is compared with. A ratio holds on a machine of
any speed, and a single time holds only on its own machine.
"""
