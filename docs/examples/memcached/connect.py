"""Step 1: connect."""

from run import Address, run

from handler_core import Handler


def main(handler: Handler, address: Address) -> None:
    sock = handler.create_connection(address, timeout=5)
    print("connected")
    sock.close()


if __name__ == "__main__":
    run(main)
