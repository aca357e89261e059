"""Peers that shake hands as they should and misbehave afterwards."""
import os
import socket

from tlslite.api import HandshakeSettings, TLSConnection
from tlslite.constants import AlertDescription, AlertLevel, ContentType, KeyUpdateMessageType
from tlslite.errors import TLSError
from tlslite.messages import Alert, ApplicationData, ChangeCipherSpec, ClientHello, Finished, KeyUpdate, Message, NewSessionTicket

import records
from attack import Attack
from gateway import TIMEOUT, Gateway, wait_for

#: What tlslite raises when the other side has ended.
ENDED = (OSError, TLSError)
VERSIONS = {"TLS 1.2": (3, 3), "TLS 1.3": (3, 4)}


class Shaken(Attack):
    """Clients after their handshake, what they send, and their end."""

    def shake(self, version, listener="default"):
        """A client after its handshake, whose service has answered once."""
        settings = HandshakeSettings()
        settings.minVersion = settings.maxVersion = VERSIONS[version]
        client = TLSConnection(self.gateway.connect(listener))
        client.handshakeClientCert(settings=settings, serverName="localhost")
        client.sendall(b"well met")
        self.assertEqual(client.read(min=8, max=8), b"well met")
        return client

    @staticmethod
    def put(client, what):
        """Sends one message as it is."""
        for _ in client._sendMsg(what, randomizeFirstBlock=False):
            pass

    def flood(self, client, what, limit=20_000):
        """Sends `what` without end until the gateway has had enough, and gives the number that it took."""
        client.sock.settimeout(TIMEOUT + 5)
        for count in range(limit):
            try:
                if isinstance(what, KeyUpdate):
                    # Moves the keys of the sender along, too.
                    for _ in client.send_keyupdate_request(what.message_type):
                        pass
                else:
                    self.put(client, what)
            except ENDED:
                return count
        return limit

    @staticmethod
    def ends(client):
        """Whether the gateway ends the session in time."""
        if client.closed:
            return True  # tlslite has seen the end itself
        client.sock.settimeout(TIMEOUT + 5)
        try:
            while client.sock.recv(65536):
                pass
        except TimeoutError:
            return False
        except OSError:
            pass
        finally:
            client.sock.close()
        return True


class Session(Shaken):
    def test_floods_end_a_session_and_hold_up_nobody(self):
        user_canceled = Alert().create(AlertDescription.user_canceled, AlertLevel.warning)
        floods = {
            "keys asked for again and again": ("TLS 1.3", KeyUpdate().create(KeyUpdateMessageType.update_requested)),
            "keys changed again and again": ("TLS 1.3", KeyUpdate().create(KeyUpdateMessageType.update_not_requested)),
            "warnings in 1.2": ("TLS 1.2", user_canceled),
            "warnings in 1.3": ("TLS 1.3", user_canceled),
            "data of no bytes in 1.2": ("TLS 1.2", ApplicationData().create(b"")),
            "data of no bytes in 1.3": ("TLS 1.3", ApplicationData().create(b"")),
        }
        with self.gateway.honest:
            for name, (version, what) in floods.items():
                with self.subTest(name):
                    client = self.shake(version)
                    self.assertLess(self.flood(client, what), 20_000)
                    self.assertTrue(self.ends(client))

    def test_messages_out_of_place_end_the_session(self):
        def hello():
            return ClientHello().create((3, 3), bytearray(32), bytearray(), [0xC02F, 0x002F])

        cases = {
            "a hello": lambda: hello(),
            "a Finished": lambda: Finished((3, 3)).create(bytearray(12)),
            "a change of ciphers": lambda: ChangeCipherSpec().create(),
            "a ticket": lambda: NewSessionTicket().create(1, 1, b"n", b"t" * 100, []),
            "rubbish for a message": lambda: Message(ContentType.handshake, bytearray(b"\x99" * 200)),
            "a message of 16 MiB": lambda: Message(ContentType.handshake, bytearray(b"\x04\xff\xff\xff" + b"x" * 60_000)),
            "an empty message": lambda: Message(ContentType.handshake, bytearray()),
            "an unknown kind": lambda: Message(77, bytearray(b"x" * 100)),
            "a heartbeat": lambda: Message(24, bytearray(b"\1\x40\0")),
            "half an alert": lambda: Message(ContentType.alert, bytearray(b"\2")),
        }
        for version in VERSIONS:
            for name, what in cases.items():
                with self.subTest(name, version=version):
                    client = self.shake(version)
                    try:
                        self.put(client, what())
                    except ENDED:
                        pass
                    self.assertTrue(self.ends(client))

    def test_a_second_handshake_is_refused(self):
        """Renegotiation: no ServerHello may come, and no word that is sent afterwards may get through."""
        client = self.shake("TLS 1.2")
        self.put(client, ClientHello().create((3, 3), bytearray(32), bytearray(), [0xC02F, 0xC02B, 0x002F]))
        client.sock.settimeout(TIMEOUT + 5)
        kinds = []
        while head := self.exactly(client.sock, 5):
            kinds.append(head[0])
            self.exactly(client.sock, int.from_bytes(head[3:5]))
        self.assertNotIn(records.HANDSHAKE, kinds)
        client.sock.close()

    @staticmethod
    def exactly(sock, count):
        """That many bytes, or none when the peer ends before."""
        data = b""
        while len(data) < count:
            try:
                more = sock.recv(count - len(data))
            except ConnectionError:
                more = b""
            if not more:
                return b""
            data += more
        return data

    def test_records_that_are_wrong_in_themselves_end_the_session(self):
        wrong = {
            "rubbish": b"\xff" * 300,
            "no sense under the cipher": records.record(records.DATA, b"\x5a" * 300, version=0x0303),
            "too short for a cipher": records.record(records.DATA, b"\x5a", version=0x0303),
            "nothing in it": records.record(records.DATA, b"", version=0x0303) * 50,
            "2^14+257 bytes": records.record(records.DATA, b"\x5a" * (2**14 + 257), version=0x0303),
            "65535 bytes": records.record(records.DATA, b"\x5a" * 65535, version=0x0303),
            "a bare alert": records.alert(2, 40),
            "a bare hello": records.hello(),
        }
        for version in VERSIONS:
            for name, data in wrong.items():
                with self.subTest(name, version=version):
                    client = self.shake(version)
                    try:
                        client.sock.sendall(data)
                    except ENDED:
                        pass
                    self.assertTrue(self.ends(client))

    def test_ends_without_a_word(self):
        with self.gateway.honest:
            for version in VERSIONS:
                for how in ("closed", "half closed", "reset", "in a record"):
                    with self.subTest(how, version=version):
                        clients = [self.shake(version) for _ in range(5)]
                        for client in clients:
                            if how == "in a record":
                                client.sock.sendall(b"\x17\3\3\1\0abc")
                            if how == "reset":
                                client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                            if how == "half closed":
                                client.sock.shutdown(socket.SHUT_WR)
                                self.assertTrue(self.ends(client))
                            client.sock.close()

    def test_clients_that_never_read(self):
        """What a client does not take must not pile up, and its time comes."""
        with self.gateway.honest as honest:
            clients = []
            for _ in range(16):
                plain = self.gateway.connect("default")
                clients.append(honest.context.wrap_socket(plain, server_hostname="localhost"))
            before = self.gateway.resident()
            for client in clients:
                client.settimeout(0.2)
                try:
                    while True:
                        client.sendall(b"x" * 16384)
                except OSError:
                    pass
            self.assertLess(self.gateway.resident() - before, 16 * 1024)
            # A session that stands still has its time, and so has the service behind it.
            wait_for("the sessions end", lambda: self.gateway.descriptors() <= self.descriptors + 4)
            for client in clients:
                client.close()


class Made(Shaken):
    @classmethod
    def setUpClass(cls):
        # Sessions stay while their floods are made, on a busy machine too.
        cls.gateway = Gateway(os.environ["LOCKGATE_BIN"], timeout=60)

    def test_a_flood_made_beforehand_holds_up_nobody(self):
        """KeyUpdates cost the receiver more than the sender, who can have them ready: no pause lets others in."""
        class Store(list):
            """In place of the socket, while the flood is made."""

            def send(self, data):
                self.append(bytes(data))
                return len(data)

            sendall = send

        clients = []
        for _ in range(2):
            client = self.shake("TLS 1.3")
            buffered, wire = client._recordLayer._recordSocket, Store()
            kept, buffered.sock = buffered.sock, wire
            for _ in range(4000):
                for _ in client.send_keyupdate_request(KeyUpdateMessageType.update_not_requested):
                    pass
            buffered.sock = kept
            clients.append((client, b"".join(wire)))
        with self.gateway.honest:
            for client, flood in clients:
                try:
                    client.sock.socket.sendall(flood)
                except OSError:
                    pass
            for client, _ in clients:
                self.assertTrue(self.ends(client))
        self.assertIn("too many TLS messages without data", self.gateway.log())
