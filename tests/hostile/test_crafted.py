"""Hellos and records made by scapy: right ones put together in odd ways, and those whose fields chance has filled."""
import logging
import random
import select

logging.getLogger("scapy").setLevel(logging.CRITICAL)
from scapy.config import conf
from scapy.layers.tls.all import (TLS, ServerName, TLS_Ext_SupportedGroups, TLS_Ext_ServerName, TLS_Ext_SignatureAlgorithms,
                                  TLSAlert, TLSApplicationData, TLSCertificate, TLSChangeCipherSpec, TLSClientHello,
                                  TLSClientKeyExchange, TLSFinished, TLSHelloRequest, TLSServerHello)
from scapy.packet import Raw, fuzz

from attack import Attack
from gateway import LISTENERS, TIMEOUT

#: Ciphers that the gateway knows.
CIPHERS = [0xC02B, 0xC02F, 0x009C]
#: How many that chance has made, and how many of them at a time.
COUNT, AT_A_TIME = 600, 60


def hello(name=b"localhost"):
    return TLSClientHello(ciphers=CIPHERS, ext=[
        TLS_Ext_ServerName(servernames=[ServerName(servername=name)]),
        TLS_Ext_SupportedGroups(groups=["x25519", "secp256r1"]),
        TLS_Ext_SignatureAlgorithms(sig_algs=["sha256+ecdsa", "sha256+rsa"]),
    ])


def filled(chance):
    """A record some fields of which chance has filled."""
    while True:
        kind = chance.randrange(4)
        try:
            if kind == 0:
                return bytes(TLS(msg=[fuzz(hello())]))
            if kind == 1:
                return bytes(fuzz(TLS(msg=[hello()])))
            if kind == 2:
                return bytes(TLS(msg=[fuzz(TLSClientHello(ciphers=CIPHERS))]))
            return bytes(TLS(msg=[hello()]) / Raw(bytes(chance.randrange(256) for _ in range(chance.randrange(200)))))
        except ValueError:
            # A number that has no room in its field: another draw.
            pass


class Crafted(Attack):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        # What scapy would like to remember of sessions is of no use here.
        conf.tls_session_enable = False

    def ends(self, data, listener="default"):
        """What the gateway says to `data` before it ends the session, which it does in time."""
        with self.gateway.connect(listener) as client:
            client.settimeout(TIMEOUT + 5)
            said = b""
            try:
                client.sendall(data)
                while part := client.recv(65536):
                    said += part
            except ConnectionError:
                pass
            return said

    def test_a_hello_of_scapy_is_a_hello(self):
        for listener in ("default", "modern", "preread"):
            with self.subTest(listener), self.gateway.connect(listener) as client:
                client.sendall(bytes(TLS(msg=[hello()])))
                self.assertEqual(client.recv(1), b"\x16", "a ServerHello")

    def test_messages_that_are_not_a_clients_turn_end_the_session(self):
        with self.gateway.honest:
            for name, messages in {
                "a ServerHello first": [TLSServerHello()],
                "a HelloRequest first": [TLSHelloRequest()],
                "a certificate first": [TLSCertificate()],
                "a key exchange first": [TLSClientKeyExchange()],
                "Finished first": [TLSFinished(vdata=b"\0" * 12)],
                "two hellos in a record": [hello(), hello()],
                "a hello and Finished": [hello(), TLSFinished(vdata=b"\0" * 12)],
                "an alert": [TLSAlert(level=2, descr=40)],
                "plain data": [TLSApplicationData(data=b"GET / HTTP/1.0\r\n\r\n")],
                "ChangeCipherSpec": [TLSChangeCipherSpec()],
            }.items():
                for listener in ("default", "mutual", "preread"):
                    with self.subTest(name, listener=listener):
                        said = self.ends(bytes(TLS(type=getattr(messages[0], "type", 22), msg=messages)), listener)
                        self.assertNotIn(b"HTTP", said, "nothing came through")

    def test_fields_that_chance_has_filled(self):
        chance = random.Random(21)
        random.seed(21)
        with self.gateway.honest:
            for _ in range(0, COUNT, AT_A_TIME):
                clients = []
                for _ in range(AT_A_TIME):
                    data = filled(chance)
                    client = self.gateway.connect(chance.choice(LISTENERS))
                    try:
                        client.sendall(data)
                    except ConnectionError:
                        pass
                    clients.append(client)
                select.select(clients, [], [], 0.2)
                for client in clients:
                    client.close()
