"""A plugin of pytest: what hangs in the suite is not waited for as long as elsewhere."""

from handler_core.testing import suite

suite.LIMIT = 3.0
suite.LONG = 2 * suite.LIMIT
suite.TEST_LIMIT = 2.5 * suite.LIMIT
