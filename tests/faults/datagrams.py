"""Clients that send numbered datagrams, and check what is sent back."""
import collections
import hashlib
import select
import socket
import threading
import time

CLIENTS, PAUSE = 8, 0.02
#: Seconds that an answer may take before it counts as lost.
LATE = 2
Echoes = collections.namedtuple("Echoes", "sent lost repeated")


def datagram(client, number):
    """What a client sends: different for each, of 100 to 1,100 bytes."""
    data = hashlib.shake_128(b"%d %d" % (client, number)).digest(100 + number * 37 % 1000)
    return number.to_bytes(8, "big") + data


class Datagrams:
    """Several clients, each with a socket of its own, until they are told to finish."""

    def __init__(self, hosts):
        self.going, self.fault = True, None
        with hosts.clients:
            self.sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(CLIENTS)]
        for one in self.sockets:
            one.connect(hosts.datagrams)
            one.setblocking(False)
        self.sent, self.answers = [0] * CLIENTS, [collections.Counter() for _ in range(CLIENTS)]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        poll = select.poll()
        for one in self.sockets:
            poll.register(one, select.POLLIN)
        of, next_time = {one.fileno(): client for client, one in enumerate(self.sockets)}, 0.0
        end = None
        while end is None or (time.monotonic() < end and self.missing()):
            if self.going and time.monotonic() >= next_time:
                next_time = time.monotonic() + PAUSE
                for client in range(CLIENTS):
                    self.send(client)
            if not self.going and end is None:
                end = time.monotonic() + LATE
            for fd, _ in poll.poll(PAUSE * 1000):
                self.receive(of[fd])

    def send(self, client):
        try:
            self.sockets[client].send(datagram(client, self.sent[client]))
        except OSError:
            pass  # lost on the way, or an earlier one was
        self.sent[client] += 1

    def receive(self, client):
        try:
            data = self.sockets[client].recv(65536)
        except OSError:
            return  # what is told here was lost, and is missing
        number = int.from_bytes(data[:8], "big")
        if number >= self.sent[client] or data != datagram(client, number):
            self.fault = f"client {client} was sent what it has not said"
        self.answers[client][number] += 1

    def missing(self):
        return sum(self.sent) - sum(len(answers) for answers in self.answers)

    def finish(self):
        """Ends, and gives how many were sent, how many of them came back never, and how many more than once."""
        self.going = False
        self.thread.join()
        for one in self.sockets:
            one.close()
        assert self.fault is None, self.fault
        return Echoes(sum(self.sent), self.missing(), sum(n - 1 for answers in self.answers for n in answers.values()))
