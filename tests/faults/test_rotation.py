"""Certificates that are replaced on disk."""
import socket
import ssl
import time

from authority import replace
from fault import Fault
from gateway import wait_for


class Rotation(Fault):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        for number in range(3):
            cls.hosts.of_a.issue(f"a{number}", "a.fault.test", "termination.fault.test")
            cls.hosts.of_b.issue(f"b{number}", "b.fault.test")

    def shown(self):
        """The certificate that A shows to a new client."""
        path = self.hosts.termination
        with self.hosts.clients:
            plain = socket.create_connection(path.address)
        with path.tls.wrap_socket(plain, server_hostname=path.server_name) as client:
            return client.getpeercert(binary_form=True)

    def on_disk(self, file):
        return ssl.PEM_cert_to_DER_cert((self.hosts.pki / f"{file}.crt").read_text())

    def test_certificates_are_replaced(self):
        hosts, taken = self.hosts, []
        crowd = self.usual((hosts.termination, hosts.chain))
        for count in range(12):
            # The key first, so that for a moment the pair does not match.
            replace(hosts.pki, "a", f"a{count % 3}")
            replace(hosts.pki, "b", f"b{count % 3}")
            when = time.monotonic()
            wait_for("the new certificate", lambda: self.shown() == self.on_disk("a"))
            taken.append(time.monotonic() - when)
        over = crowd.finish()
        self.judge(over)
        self.tell("certificates replaced", 2 * len(taken), over, taken=f"{max(taken):.2f} s")

    def test_pairs_that_do_not_match(self):
        hosts = self.hosts
        crowd = self.usual((hosts.termination, hosts.chain))
        pair = (hosts.pki / "a.key").read_bytes(), self.shown()
        hosts.of_a.issue("other", "a.fault.test", "termination.fault.test")
        for _ in range(3):
            lines = hosts.a.log().count("[error]")
            (hosts.pki / "a.key").write_bytes((hosts.pki / "other.key").read_bytes())
            wait_for("a word about the key", lambda: hosts.a.log().count("[error]") > lines)
            self.assertEqual(self.shown(), pair[1])
            (hosts.pki / "a.key").write_bytes(pair[0])
            # Until that is taken, too, which nothing tells.
            time.sleep(0.7)
        over = crowd.finish()
        self.judge(over)
        self.tell("keys that do not match", 3, over)
