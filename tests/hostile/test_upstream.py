"""Services that misbehave behind a gateway that speaks TLS to them."""
import socket
import threading
import time

from tlslite.api import HandshakeSettings, TLSConnection, X509CertChain, parsePEMKey
from tlslite.errors import TLSError
from tlslite.messages import HelloRequest, NewSessionTicket

import records
from attack import Attack
from gateway import LIMIT, TIMEOUT

#: What a service may say in place of a ServerHello.
WRONG = {
    "rubbish": b"\xff" * 5000,
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "a hello of its own": records.hello(),
    "an SSLv2 hello": records.sslv2_hello(),
    "warnings without end": records.alert(1, 90) * 5000,
    "empty records without end": records.record(records.HANDSHAKE, b"") * 5000,
    "a record of 65535 bytes": records.record(records.HANDSHAKE, bytes(65535)),
    "a message of 16 MiB": records.fragments(records.message(2, bytes(200_000), length=2**24 - 1), 16384),
    "HelloRequests without end": records.record(records.HANDSHAKE, records.message(0, b"")) * 5000,
    "half a ServerHello": records.record(records.HANDSHAKE, records.message(2, bytes(20), length=70)),
    "nothing": b"",
}


class Upstream(Attack):
    def serve(self, behave):
        """One connection to the upstream's port is given to `behave`."""
        listener = socket.create_server(("127.0.0.1", self.gateway.ports["hostile"]))
        listener.settimeout(LIMIT)

        def run():
            with listener:
                service, _ = listener.accept()
            service.settimeout(LIMIT)
            try:
                behave(service)
            except (OSError, TLSError):
                pass
            self.gone.wait(LIMIT)
            service.close()

        self.gone = threading.Event()
        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def ask(self, behave):
        """The seconds until the gateway ends the session of a client of such a service."""
        thread, start = self.serve(behave), time.monotonic()
        with self.gateway.connect("upstream") as client:
            client.sendall(b"hello")
            try:
                while client.recv(65536):
                    pass
            except ConnectionError:
                pass
        took = time.monotonic() - start
        self.gone.set()
        thread.join()
        return took

    def test_answers_that_are_no_handshake(self):
        with self.gateway.honest:
            for name, data in WRONG.items():
                with self.subTest(name):
                    self.assertLess(self.ask(lambda service, data=data: service.sendall(data)), 2 * TIMEOUT + 2)

    def shake(self, service, version):
        settings = HandshakeSettings()
        settings.minVersion = settings.maxVersion = version
        server = TLSConnection(service)
        chain = X509CertChain()
        chain.parsePemList((self.gateway.dir / "rsa.crt").read_text())
        key = parsePEMKey((self.gateway.dir / "rsa.key").read_text(), private=True)
        server.handshakeServer(certChain=chain, privateKey=key, settings=settings)
        return server

    def flood(self, version, what):
        def behave(service):
            server = self.shake(service, version)
            for _ in range(20_000):
                for _ in server._sendMsg(what):
                    pass

        with self.gateway.honest:
            self.assertLess(self.ask(behave), 3 * TIMEOUT + 2)

    def test_tickets_without_end(self):
        self.flood((3, 4), NewSessionTicket().create(300, 1, b"n", b"t" * 1000, []))

    def test_handshakes_asked_for_without_end(self):
        self.flood((3, 3), HelloRequest().create())
