"""Slow clients, many at a time, as slowhttptest plays them: they hold on to what they have for as long as they are let."""
import os
import resource
import selectors
import socket
import time

import records
from attack import Attack
from gateway import TIMEOUT, Gateway

#: Of each sort. Seconds within which all have to be over.
CLIENTS = 150
LIMIT = 3 * TIMEOUT + 10


class Slow(Attack):
    slack = 48 * 1024

    @classmethod
    def setUpClass(cls):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard) if hard > 0 else 8192, hard))
        cls.gateway = Gateway(os.environ["LOCKGATE_BIN"], connections=4096, main="worker_rlimit_nofile 8192;")

    def play(self, clients, step):
        """Has each client do its `step` each half a second, until the gateway has ended all of them."""
        poller, start = selectors.DefaultSelector(), time.monotonic()
        for client in clients:
            client.setblocking(False)
            poller.register(client, selectors.EVENT_READ)
        left, used, at = len(clients), self.gateway.cpu(), 0
        while left:
            self.assertLess(time.monotonic() - start, LIMIT, f"{left} are still there")
            for key, _ in poller.select(0.5):
                try:
                    over = key.fileobj.recv(65536) == b""
                except BlockingIOError:
                    over = False
                except OSError:
                    over = True
                if over:
                    poller.unregister(key.fileobj)
                    key.fileobj.close()
                    left -= 1
            if time.monotonic() - start >= at * 0.5:
                for key in list(poller.get_map().values()):
                    try:
                        step(key.fileobj, at)
                    except OSError:
                        pass
                at += 1
        self.assertLess(self.gateway.cpu() - used, 0.3 * (time.monotonic() - start), "slow clients cost little")

    def connect(self, listeners):
        return [self.gateway.connect(listener) for listener in listeners for _ in range(CLIENTS)]

    def test_those_who_say_nothing(self):
        with self.gateway.honest:
            self.play(self.connect(("default", "mutual", "preread", "proxied")), lambda client, at: None)

    def test_those_who_send_a_hello_a_byte_at_a_time(self):
        data = records.hello()
        with self.gateway.honest:
            self.play(self.connect(("default", "preread")), lambda client, at: client.send(data[at:at + 1]))

    def test_those_who_send_a_proxy_header_a_byte_at_a_time(self):
        data = b"PROXY TCP4 192.0.2.1 192.0.2.2 1111 2222\r\n"
        clients = [self.gateway.connect("proxied", proxied=False) for _ in range(CLIENTS)]
        with self.gateway.honest:
            self.play(clients, lambda client, at: client.send(data[at:at + 1]))

    def test_those_who_take_what_they_are_sent_a_byte_at_a_time(self):
        """Their hello is whole; what the gateway answers does not fit into what they have room for."""
        clients = []
        for _ in range(CLIENTS):
            client = socket.socket()
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            client.connect(("127.0.0.1", self.gateway.ports["default"]))
            client.sendall(records.hello())
            clients.append(client)
        with self.gateway.honest:
            self.play(clients, lambda client, at: client.recv(1))
