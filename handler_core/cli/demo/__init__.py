"""``handler-core demo``: real network clients run on every installed model.

``sample_client`` is a complete small client with its server. It is the example for authors of
clients, and the tests run it too.
"""
