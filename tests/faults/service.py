"""A service behind the gateways, as a process that can be killed: over TCP, over TLS, mute, and echoing datagrams. It tells on
its standard output what becomes of each session: `NUMBER open`, then `NUMBER FATE RECEIVED SENT`."""
import socket
import ssl
import sys
import time

from end import CHUNK, DONE, End
from loop import Loop

PLAIN, SEALED, MUTE = 7000, 8000, 9000
#: What a trickle is: bytes a second.
TRICKLE = 20


class Served(End):
    """The service's end of a session."""

    def __init__(self, sock, tls, name):
        super().__init__(sock, tls)
        self.service, self.kind, self.number, self.head = name, None, None, b""

    def hear(self, data):
        if self.kind is None:
            self.head, line, data = self.head + data, *(self.head + data).partition(b"\n")[::2]
            if b"\n" not in self.head:
                return
            self.greet(line)
        super().hear(data)

    def greet(self, line):
        """Learns from the client's first line what session this is."""
        kind, *numbers = line.decode().split()
        self.kind, (self.number, self.up, self.down) = kind, map(int, numbers)
        self.paced = kind == "trickle"
        if kind != "mute":
            self.first = self.service
        self.streams(2 * self.number + 1, 2 * self.number)
        print(self.number, "open", flush=True)

    def allowed(self):
        if self.kind == "talk":
            return min(self.received // CHUNK * CHUNK, self.down)
        if self.kind == "bulk":
            return self.down - (self.received < self.up)
        if self.kind == "half":
            return self.down if self.heard_end else 0
        if self.kind == "trickle":
            return min(self.down, int((time.monotonic() - self.began) * TRICKLE))
        return self.down // 2 if self.kind in ("reset", "close") else 0

    def whole(self):
        """Whether everything has been said and heard, as far as it knows."""
        if self.kind == "talk":
            return self.sent == self.received and not self.pending
        return self.kind is not None and self.received == self.up and self.sent == self.down and not self.pending

    def complete(self):
        # The client ends a session, but for what it has ended its own stream for.
        return self.heard_end and self.whole()

    def at_end(self):
        if self.kind != "half":
            super().at_end()

    def write(self):
        moved = super().write()
        if self.fate is None and not self.pending and self.sent and self.sent == self.allowed():
            if self.kind == "reset":
                self.reset()
            elif self.kind == "close" and self.received == self.up:
                # Before that the kernel would make a reset of it.
                self.finish(DONE)
        return moved


class Service:
    """Everything that one process serves."""

    def __init__(self, name, address, certificate, key):
        self.name, self.loop = name.encode(), Loop()
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        for port, context in ((PLAIN, None), (SEALED, tls)):
            listener = socket.create_server((address, port), backlog=1024)
            listener.setblocking(False)
            self.loop.watch(listener.fileno(), lambda listener=listener, context=context: self.accept(listener, context))
        self.mute = socket.create_server((address, MUTE), backlog=1024)
        self.echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.echo.bind((address, PLAIN))
        self.echo.setblocking(False)
        self.loop.watch(self.echo.fileno(), self.answer)

    def accept(self, listener, tls):
        try:
            while True:
                self.loop.add(Served(listener.accept()[0], tls, self.name))
        except OSError:
            pass  # that was the last of those that wait

    def answer(self):
        try:
            while True:
                data, client = self.echo.recvfrom(65536)
                self.echo.sendto(data, client)
        except OSError:
            pass  # that was the last of those that wait

    def run(self):
        print("ready", flush=True)
        while True:
            for end in self.loop.turn():
                if end.number is not None:
                    print(end.number, end.fate, end.received, end.sent, flush=True)


if __name__ == "__main__":
    Service(*sys.argv[1:]).run()
