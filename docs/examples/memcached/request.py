"""Step 2: one request."""

from typing import Any

from protocol import Answer, AnswerReader, get_command, set_command
from run import Address, run

from handler_core import Handler

# Bytes to receive at once.
_CHUNK = 65_536


def ask(sock: Any, command: bytes) -> Answer:
    """Send a command, and wait for its answer."""
    sock.sendall(command)
    reader = AnswerReader()
    while True:
        data = sock.recv(_CHUNK)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        for answer in reader.feed(data):
            return answer


def main(handler: Handler, address: Address) -> None:
    sock = handler.create_connection(address, timeout=5)
    print(ask(sock, set_command("greeting", b"hello")))
    print(ask(sock, get_command("greeting")))
    sock.close()


if __name__ == "__main__":
    run(main)
