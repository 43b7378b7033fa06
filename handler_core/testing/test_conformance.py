"""The suite for the model that ``--handler`` names.

``pytest --pyargs handler_core.testing --handler NAME`` runs it. pytest finds this module by its
name.
"""

from handler_core.testing._conformance import HandlerConformance


class TestConformance(HandlerConformance):
    """The whole contract, C1 to C21."""
