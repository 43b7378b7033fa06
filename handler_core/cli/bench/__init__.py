"""``handler-core bench``: what single operations cost on every installed model.

``operations`` has the operations. A child process measures them in ``rounds``, and the rest shows
the costs: as a table, as a file of pyperf and as a chart.
"""
