"""Peers that begin wrongly: with bytes that are no hello, or a hello with a fault."""
import random
import select
import time

import records
from attack import Attack
from gateway import LISTENERS, LIMIT, TIMEOUT


def drain(client):
    """Reads until the gateway closes, which it has to."""
    try:
        while client.recv(65536):
            pass
    except ConnectionError:
        pass


def send(client, data):
    try:
        client.sendall(data)
    except ConnectionError:
        pass


class Begin(Attack):
    def test_each_is_turned_away_in_time_and_leaves_nothing_behind(self):
        with self.gateway.honest:
            clients = []
            for listener in LISTENERS:
                for name, data in records.WRONG.items():
                    client = self.gateway.connect(listener)
                    send(client, data)
                    clients.append((f"{name} to {listener}", client))
            start = time.monotonic()
            for name, client in clients:
                with self.subTest(name), client:
                    drain(client)
            # Preread and the handshake behind it have their time one after the other.
            self.assertLess(time.monotonic() - start, 3 * TIMEOUT + 5)

    def test_a_hello_in_records_of_one_byte_is_a_hello(self):
        whole = records.message(1, records.hello_body())
        for listener in ("default", "modern", "preread"):
            for size in (1, 7, 100):
                with self.subTest(listener=listener, size=size), self.gateway.connect(listener) as client:
                    client.sendall(records.fragments(whole, size))
                    self.assertEqual(client.recv(1), b"\x16", "a ServerHello")

    def test_hellos_with_bits_turned_over(self):
        chance = random.Random(20)
        originals = [records.hello(), records.hello(extensions=records.EXTENSIONS_12), records.sslv2_hello(),
                     records.WRONG["a PSK of rubbish"], records.WRONG["early data that nobody allowed"]]
        with self.gateway.honest:
            for _ in range(12):
                clients = []
                for _ in range(60):
                    data = bytearray(chance.choice(originals))
                    for _ in range(chance.choice((1, 1, 2, 8))):
                        data[chance.randrange(min(len(data), 300))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
                    client = self.gateway.connect(chance.choice(LISTENERS))
                    send(client, bytes(data[:chance.randrange(len(data))] if chance.random() < 0.2 else data))
                    clients.append(client)
                select.select(clients, [], [], 0.2)
                for client in clients:
                    client.close()

    def test_a_client_of_one_byte_a_second_has_its_time(self):
        """No byte that arrives sets back the clock of the handshake."""
        data = records.hello()
        with self.gateway.honest:
            clients = [self.gateway.connect(listener) for listener in ("default", "modern", "mutual", "preread") for _ in range(20)]
            start, ended, at = time.monotonic(), 0, 0
            while clients:
                for client in list(clients):
                    try:
                        client.sendall(data[at:at + 1])
                        client.setblocking(False)
                        over = client.recv(64) == b""
                    except BlockingIOError:
                        over = False
                    except OSError:
                        over = True
                    if over:
                        client.close()
                        clients.remove(client)
                        ended += 1
                    else:
                        client.settimeout(LIMIT)
                at += 1
                self.assertLess(time.monotonic() - start, 3 * TIMEOUT + 5, f"{len(clients)} are still there")
                time.sleep(1)
            self.assertEqual(ended, 80)

    def test_proxy_headers_that_are_none(self):
        heads = [b"PROXY", b"PROXY UNKNOWN" + b"x" * 200 + b"\r\n", b"PROXY TCP4 1 2 3 4\r\n", b"\r\n\r\n\0\r\nQUIT\n",
                 b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff" + bytes(70_000), b"\r\n\r\n\0\r\nQUIT\n\x2f\xff\0\0", b"PROXY TCP4 " + b"9" * 100_000]
        with self.gateway.honest:
            for head in heads:
                with self.subTest(head[:20]), self.gateway.connect("proxied", proxied=False) as client:
                    send(client, head)
                    drain(client)
