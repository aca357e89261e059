"""Certificates that are replaced on disk."""
import time

from authority import replace
from fault import Fault
from gateway import wait_for


class Rotation(Fault):
    def test_certificates_are_replaced(self):
        hosts = self.hosts
        for number in range(3):
            hosts.of_a.issue(f"a{number}", "a.fault.test", "termination.fault.test")
            hosts.of_b.issue(f"b{number}", "b.fault.test")
        paths = (hosts.termination, hosts.chain)
        crowd, count, end = self.usual(paths), 0, time.monotonic() + 4
        while time.monotonic() < end:
            # A's and B's own: the key first, so that the pair does not match for a moment.
            replace(hosts.pki, "a", f"a{count % 3}")
            replace(hosts.pki, "b", f"b{count % 3}")
            count += 1
            time.sleep(0.2)
        over = crowd.finish()
        self.judge(over)
        self.tell("certificates replaced", 2 * count, over)

    def test_pairs_that_do_not_match(self):
        hosts = self.hosts
        hosts.of_a.issue("other", "a.fault.test", "termination.fault.test")
        crowd = self.usual((hosts.termination, hosts.chain))
        good, bad = (hosts.pki / "a.key").read_bytes(), (hosts.pki / "other.key").read_bytes()
        before = hosts.a.log().count("[error]")
        for _ in range(3):
            lines = hosts.a.log().count("[error]")
            (hosts.pki / "a.key").write_bytes(bad)
            wait_for("a word about the key", lambda: hosts.a.log().count("[error]") > lines)
            (hosts.pki / "a.key").write_bytes(good)
            time.sleep(0.7)
        over = crowd.finish()
        self.judge(over)
        self.tell("keys that do not match", 3, over, words=hosts.a.log().count("[error]") - before)
