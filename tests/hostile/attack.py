"""What every attack is measured by: the gateway lives on, and holds neither descriptors nor memory afterwards."""
import os
import unittest

from gateway import Gateway, wait_for

#: KiB that caches, arenas and the like may take in one test.
SLACK = 24 * 1024


class Attack(unittest.TestCase):
    """One gateway for the tests of a class, watched before and after each."""

    slack = SLACK

    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(os.environ["LOCKGATE_BIN"])

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()

    def setUp(self):
        for _ in range(20):
            self.gateway.honest.ask()
        self.descriptors, self.resident = self.settled(), self.gateway.resident()

    def tearDown(self):
        self.assertIsNone(self.gateway.process.poll(), "the gateway ended")
        self.gateway.honest.ask()
        wait_for(f"as few descriptors as before, {self.descriptors}",
                 lambda: self.gateway.descriptors() <= self.descriptors)
        grown = self.gateway.resident() - self.resident
        self.assertLess(grown, self.slack, f"{grown} KiB more than before")

    def settled(self):
        """The number of descriptors when it no longer changes."""
        seen = []

        def same():
            seen.append(self.gateway.descriptors())
            return len(seen) > 4 and len(set(seen[-4:])) == 1

        wait_for("sessions end", same)
        return seen[-1]
