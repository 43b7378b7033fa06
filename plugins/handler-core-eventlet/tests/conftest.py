import pytest


def pytest_configure(config: pytest.Config) -> None:
    # eventlet says once that it is deprecated. That is for its users; all else is an error here.
    config.addinivalue_line("filterwarnings", r"ignore:\s*Eventlet is deprecated")
