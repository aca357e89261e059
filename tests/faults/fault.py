"""What every fault is measured by: no byte is wrong, nobody hangs, whoever the fault did not touch notices nothing, and
afterwards the gateways hold what they held before."""
import collections
import os
import time
import unittest

from client import FOREVER
from crowd import Crowd
from end import DONE, HUNG, WRONG
from gateway import wait_for
from hosts import SLOTS, Hosts

#: KiB of memory that caches, arenas and the like may take in one test.
SLACK = 16 * 1024
#: Seconds of a processor that a gateway may take while it has nothing to do, and the seconds it is watched for.
IDLE, WATCHED = 0.03, 0.5
#: Seconds within which the far end of a session knows that it is over, on a busy machine too.
SOON = 2


class Fault(unittest.TestCase):
    """One row of hosts for the tests of a class, looked at before and after each."""

    @classmethod
    def setUpClass(cls):
        cls.hosts = Hosts(os.environ["LOCKGATE_BIN"])

    @classmethod
    def tearDownClass(cls):
        cls.hosts.close()

    def setUp(self):
        self.crowds = []
        self.traffic(0.3)
        self.descriptors = self.settled()
        self.resident = [gateway.resident() for gateway in self.hosts.gateways]

    def tearDown(self):
        self.hosts.mend()
        for crowd in self.crowds:
            crowd.close()
        wait_for("the services' ends of all sessions are over", self.hosts.quiet)
        for gateway, descriptors, resident in zip(self.hosts.gateways, self.descriptors, self.resident):
            wait_for(lambda: f"no more than {descriptors} descriptors: {gateway.descriptors()}",
                     lambda: gateway.descriptors() <= descriptors)
            grown = gateway.resident() - resident
            self.assertLess(grown, SLACK, f"{grown} KiB more than before")
            before = gateway.cpu()
            time.sleep(WATCHED)
            self.assertLessEqual(gateway.cpu() - before, IDLE, "it is busy with nothing")
        wait_for("slots are free again", self.slots_are_free)

    def settled(self):
        """How many descriptors each gateway holds when that no longer changes."""
        seen = []

        def same():
            seen.append([gateway.descriptors() for gateway in self.hosts.gateways])
            return len(seen) > 20 and all(one == seen[-1] for one in seen[-20:])

        wait_for("sessions end", same)
        return seen[-1]

    def slots_are_free(self):
        """Whether as many are let in where connections are limited as should be, and not one more."""
        crowd = self.crowd()
        for _ in range(SLOTS):
            crowd.open(self.hosts.limited, "talk", FOREVER, pause=0.1)
        wait_for("an answer to each", lambda: crowd.served() + len(crowd.over) == SLOTS)
        free = not crowd.over
        if free:
            crowd.open(self.hosts.limited, "talk", 512)
            wait_for("one too many is turned away", lambda: crowd.over)
        over = crowd.finish()
        self.assertFalse(free and over[0].fate == DONE, "more were let in than the limit says")
        return free

    def crowd(self):
        self.crowds.append(Crowd(self.hosts.clients))
        return self.crowds[-1]

    def usual(self, paths=None, talks=4):
        """Everyday traffic on these paths, or on all, once it flows."""
        crowd, paths = self.crowd(), paths or self.hosts.paths
        crowd.usual(paths, talks)
        wait_for("traffic flows", lambda: crowd.served() >= len(paths) * talks)
        return crowd

    def traffic(self, seconds):
        """Everyday traffic without any fault, on all paths."""
        crowd = self.usual()
        crowd.open(self.hosts.named, "talk", 512)
        time.sleep(seconds)
        self.judge(crowd.finish())

    def judge(self, over, touched=lambda end: False):
        """Whatever has happened: what came was right, and only sessions that a fault has `touched` are not complete."""
        never = [end for end in over if end.fate in (WRONG, HUNG)]
        self.assertFalse(never, never[:5])
        lost = [end for end in over if end.fate != DONE and not touched(end)]
        self.assertFalse(lost, f"{len(lost)} of {len(over)}: {lost[:5]}\n{self.context() if lost else ''}")
        for service in self.hosts.services.values():
            wrong = [one for one in list(service.over.values()) if one[0] in (WRONG, HUNG)]
            self.assertFalse(wrong, "at the service")
        return [end for end in over if touched(end) and end.fate != DONE]

    def context(self):
        """What helps to see why a session was lost."""
        return "\n".join(line for gateway in self.hosts.gateways for line in gateway.log().splitlines()[-40:])

    def told_soon(self, touched, limit=SOON):
        """Waits until both ends of these sessions know that they are over, and gives the seconds that it took."""
        begin, numbers = time.monotonic(), {end.number for end in touched}
        wait_for(lambda: f"clients know: {[end for end in touched if not end.fate]}",
                 lambda: all(end.fate for end in touched), limit)
        wait_for("services know", lambda: self.hosts.quiet(numbers), limit)
        return time.monotonic() - begin

    def tell(self, what, times, over, ended=(), **figures):
        """Says what was done how often, how many sessions and bytes there were, which of them it ended, and more."""
        mib = sum(end.sent + end.received for end in over) / 2**20
        fates = dict(collections.Counter(end.fate for end in ended))
        figures = {"times": times, "sessions": len(over), "MiB": f"{mib:.0f}", "ended by it": len(ended)} | figures
        print(f"\n    {what}:", ", ".join(f"{name} {value}" for name, value in figures.items()), fates, flush=True)


def recovered(crowd, since):
    """Waits for the first session that began after `since` to be done, and gives the seconds from then to its end."""
    def done():
        return [end.ended for end in list(crowd.over) if end.fate == DONE and end.began >= since]

    wait_for("a new session is done", done)
    return min(done()) - since
