"""C5: a forked child has socket pairs of its own."""

from __future__ import annotations

from handler_core.testing._contract_tests.c05_fork import needs_fork
from handler_core.testing._suite import Suite

__all__ = ["ForkedPairTests"]


class ForkedPairTests(Suite):
    """C5: a forked child has socket pairs of its own."""

    @needs_fork
    def test_c5_a_socket_pair_is_empty_in_the_child(self) -> None:
        """Its bytes are the parent's, those too that did not fit into the kernel's buffer."""
        printed = self.run_script(
            """
            import os
            one, other = handler.create_socket_pair()
            data = bytes(range(256)) * 4000
            one.sendall(data)
            other.sendall(b"back")
            numbers = one.fileno(), other.fileno()
            pid = os.fork()
            if not pid:
                assert (one.fileno(), other.fileno()) == numbers
                assert handler.select([one, other], [], [], 0) == ([], [], [])
                one.send(b"child")
                assert handler.select([one, other], [], [], 60)[0] == [other]
                assert other.recv(100) == b"child"
                other.sendall(data)
                received = b""
                while len(received) < len(data):
                    received += one.recv(65536)
                assert received == data
                one.close()
                assert other.recv(100) == b""
                os._exit(7)
            print(exit_status(pid))
            received = b""
            while len(received) < len(data):
                received += other.recv(65536)
            assert received == data
            assert one.recv(100) == b"back"
            assert handler.select([one, other], [], [], 0) == ([], [], [])
            """
        )
        assert printed == "7\n"

    @needs_fork
    def test_c5_a_pair_of_which_one_end_is_closed(self) -> None:
        printed = self.run_script(
            """
            import os
            one, other = handler.create_socket_pair()
            one.send(b"x")
            one.close()
            pid = os.fork()
            if not pid:
                assert other.recv(10) == b""
                os._exit(7)
            print(exit_status(pid))
            assert other.recv(10) == b"x"
            assert other.recv(10) == b""
            """
        )
        assert printed == "7\n"

    @needs_fork
    def test_c5_a_pair_keeps_its_mode_and_what_a_select_knows_of_it(self) -> None:
        printed = self.run_script(
            """
            import os
            one, other = handler.create_socket_pair()
            one.setblocking(False)
            os.set_inheritable(other.fileno(), True)
            handler.select([one, other], [], [], 0.001)
            pid = os.fork()
            if not pid:
                assert one.gettimeout() == 0.0 and other.gettimeout() is None
                assert not os.get_inheritable(one.fileno())
                assert os.get_inheritable(other.fileno())
                try:
                    one.recv(1)
                except BlockingIOError:
                    pass
                else:
                    raise AssertionError("received from an empty pair")
                def send():
                    handler.sleep_func(0.05)
                    other.send(b"x")
                handler.spawn(send)
                assert handler.select([one, other], [], [], 60)[0] == [one]
                os._exit(7)
            print(exit_status(pid))
            assert handler.select([one, other], [], [], 0.001) == ([], [], [])
            other.send(b"y")
            assert handler.select([one, other], [], [], 60)[0] == [one]
            assert one.recv(10) == b"y"
            """
        )
        assert printed == "7\n"

    @needs_fork
    def test_c5_a_daemon_that_has_closed_all_descriptors(self) -> None:
        """Its descriptors have the numbers of the pair's by then. A second fork leaves them be."""
        printed = self.run_script(
            """
            import os, posix, socket
            one, other = handler.create_socket_pair()
            numbers = [one.fileno(), other.fileno()]
            pid = os.fork()
            if not pid:
                read, write = os.pipe()
                for number in numbers:
                    os.dup2(write, number)
                second = os.fork()
                if not second:
                    for number in numbers:
                        os.write(number, b"daemon")
                    os._exit(7)
                # gevent's own `waitpid` may miss the end of a child, under load.
                status = os.waitstatus_to_exitcode(posix.waitpid(second, 0)[1])
                assert os.read(read, 100) == b"daemondaemon"
                os._exit(status)
            print(exit_status(pid))
            one.send(b"x")
            assert other.recv(10) == b"x"
            """
        )
        assert printed == "7\n"
