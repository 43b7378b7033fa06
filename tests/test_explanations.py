"""What the conformance suite says of the contract is what the documentation says."""

import re
from pathlib import Path

from handler_core.testing import HandlerConformance
from handler_core.testing._contract_texts import CONTRACT, line_of

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "contract.md"


def test_the_lines_have_the_headings_of_the_page() -> None:
    headings = re.findall(r"^### (C\d+ .*)$", PAGE.read_text(), re.MULTILINE)
    assert [line.heading for line in CONTRACT.values()] == headings


def test_a_line_links_to_its_anchor() -> None:
    assert f"({CONTRACT[13].url.partition('#')[2]})=\n### C13 " in PAGE.read_text()
    assert CONTRACT[13].url.partition("#")[0].endswith("/reference/contract.html")


def test_each_test_of_the_suite_is_of_a_line_and_each_line_has_tests() -> None:
    tests = [name for name in dir(HandlerConformance) if name.startswith("test_")]
    lines = [line_of(name) for name in tests]
    assert None not in lines
    assert {line.number for line in lines if line is not None} == set(CONTRACT)
