"""The client's end of a session, and what kinds of sessions there are.

bulk    both sides send all they have at once; the service's last byte says that it has everything
talk    a piece, an answer as long as it, the next piece; with a pause it goes on until it is told to finish
half    the client sends all, ends its stream, and is answered after that
mute, trickle, reset, close    sessions that the service keeps waiting, feeds a byte at a time, resets or ends half-way
"""
import errno
import itertools
import socket
import time

from end import CHUNK, End

#: How a session introduces itself to the service: kind, number, bytes from and to the client.
GREETING = "%s %d %d %d\n"
FOREVER = 2**50
numbers = itertools.count(1)


class Client(End):
    """Connects, and goes through with a session."""

    def __init__(self, path, kind, up, down=None, pause=None):
        """`up` and `down` are bytes, `pause` seconds between two pieces."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        super().__init__(sock, path.tls, path.server_name)
        self.path, self.kind, self.number = path, kind, next(numbers)
        self.up, self.down, self.pause = up, up if down is None else down, pause
        self.paced = pause is not None
        self.service, self.shut = None, False
        self.streams(2 * self.number, 2 * self.number + 1)
        self.first = (GREETING % (kind, self.number, self.up, self.down)).encode()
        error = sock.connect_ex(path.address)
        if error not in (0, errno.EINPROGRESS):
            self.finish("unreachable", errno.errorcode[error])

    def __repr__(self):
        now = time.monotonic()
        return (f"{self.path.name} {self.kind} {self.number} at service {self.service}, begun {now - self.began:.2f} s ago, "
                f"{self.fate} ({self.said}) {now - (self.ended or now):.2f} s ago, {self.sent} of {self.up} sent, "
                f"{self.received} of {self.down} received")

    def allowed(self):
        if self.kind != "talk":
            return self.up
        most = min(self.up, self.received // CHUNK * CHUNK + CHUNK)
        if self.pause is not None:
            most = min(most, (int((time.monotonic() - self.began) / self.pause) + 1) * CHUNK)
        return most

    def last(self):
        """Has a session without end find one."""
        if self.fate is None and self.up == FOREVER:
            self.up = self.down = max(-(-self.sent // CHUNK), 1) * CHUNK

    def hear(self, data):
        # The service's name comes first.
        if self.service is None:
            self.service, data = data[:1].decode(errors="replace"), data[1:]
        super().hear(data)

    def complete(self):
        everything = self.sent == self.up and not self.pending and self.received == self.down
        return everything and (self.kind != "half" or self.heard_end)

    def write(self):
        moved = super().write()
        if self.kind == "half" and not self.shut and self.sent == self.up and not self.pending and self.fate is None:
            self.shut = True
            self.sock.shutdown(socket.SHUT_WR)
        return moved
