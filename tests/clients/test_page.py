"""The page on clients is true: its programs run, and print what the page says they print."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from pages import CLIENTS, program_of

from .servers import MariaDB, Memcached, Mosquitto, PostgreSQL, Redis


def test_the_programs_of_the_page_run(
    redis_server: Redis,
    postgresql: PostgreSQL,
    mariadb: MariaDB,
    memcached: Memcached,
    mosquitto: Mosquitto,
    tmp_path: Path,
) -> None:
    program, expected = program_of(CLIENTS, connecting=True)
    for port, server in (
        (6379, redis_server),
        (5432, postgresql),
        (3306, mariadb),
        (11211, memcached),
        (1883, mosquitto),
    ):
        program, count = re.subn(rf"\b{port}\b", str(server.port), program)
        assert count
    path = tmp_path / "page.py"
    path.write_text(program)
    done = subprocess.run(
        [sys.executable, "-W", "error", path],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == expected
