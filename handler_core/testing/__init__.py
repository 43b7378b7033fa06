"""What tests of handlers, and of clients that run on them, need."""
