"""The tests of the contract.

Each module ``cNN_…`` tests the line with that number. A line with many tests has several modules.
Each of these modules has one class, and the name of each test begins with its line: ``test_c13_…``.
The other modules hold what the test modules share.
"""

__all__: list[str] = []
