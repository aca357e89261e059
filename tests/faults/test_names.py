"""What name servers do."""
import time

from client import FOREVER
from fault import Fault
from gateway import wait_for
from hosts import ONE, TWO
from names import NXDOMAIN, SERVFAIL, TTL

#: resolver_timeout of the configuration, and time for an answer.
RESOLVER_TIMEOUT, AWHILE = 1, 3


class NameServers(Fault):
    def setUp(self):
        self.hosts.names.answer = [ONE]
        super().setUp()

    def at(self, service):
        """Waits until new sessions by name arrive at a service, and gives them, and the seconds that it took."""
        begin, over = time.monotonic(), []

        def arrived():
            crowd = self.crowd()
            crowd.open(self.hosts.named, "talk", 512)
            over.extend(crowd.finish())
            return over[-1].service == service

        wait_for(f"sessions at {service}", arrived)
        return over, time.monotonic() - begin

    def test_answers_that_change(self):
        steady, over, took = self.crowd(), [], []
        for _ in range(10):
            steady.open(self.hosts.named, "talk", FOREVER, pause=0.03)
        wait_for("answers", lambda: steady.served() == 10)
        for address, service in ((TWO, "2"), (ONE, "1")) * 2:
            self.hosts.names.answer = [address]
            sessions, seconds = self.at(service)
            over += sessions
            took.append(seconds)
        self.judge(over)
        self.assertLess(max(took), TTL + 2)
        over += steady.finish()
        self.judge(over)
        self.tell("name servers change their answer", 4, over, recovery=f"{max(took):.1f} s")

    def test_servers_that_fail(self):
        steady, total, told, took = self.crowd(), [], [], []
        for _ in range(10):
            steady.open(self.hosts.named, "talk", FOREVER, pause=0.03)
        wait_for("answers", lambda: steady.served() == 10)
        for answer in (None, SERVFAIL, NXDOMAIN, []):
            self.hosts.names.answer = answer
            # What was answered before no longer holds.
            time.sleep(TTL + 1.5)
            crowd = self.crowd()
            for _ in range(5):
                crowd.open(self.hosts.named, "talk", 512)
            failed = crowd.finish()
            ended = self.judge(failed, lambda end: True)
            # All are told, in time.
            self.assertEqual(len(ended), len(failed))
            told.append(max(end.ended - end.began for end in failed))
            self.assertLess(told[-1], RESOLVER_TIMEOUT + AWHILE, answer)
            self.hosts.names.answer = [ONE]
            took.append(self.at("1")[1])
            self.assertLess(took[-1], RESOLVER_TIMEOUT, answer)
            total += failed
        over = steady.finish()
        self.judge(over)
        self.tell("name servers silent, failing, denying, empty", 4, over + total, total,
                  told=f"{max(told):.1f} s", recovery=f"{max(took):.1f} s")
