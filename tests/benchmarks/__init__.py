"""What the handlers cost, beside kazoo's handlers and the raw primitives: ``make bench``.

Every figure is measured in turn with what it is compared with, since a ratio holds on a machine of
any speed, and a time by itself on none.
"""
