"""What is done by those behind the gateways."""
import time

from client import FOREVER
from fault import SOON, Fault, recovered
from gateway import wait_for


class Upstreams(Fault):
    def test_upstreams_are_killed(self):
        crowd, kills, told, recoveries = self.usual(), [], [], []
        for name in "1212":
            time.sleep(0.6)
            before = time.monotonic()
            self.hosts.services[name].kill()
            kills.append((name, before, time.monotonic()))
            told.append(self.told_soon([end for end in crowd.now() if end.service == name]))
            recoveries.append(recovered(crowd, kills[-1][2]))
            self.hosts.serve(name)
            since = time.monotonic()
            # Each group gives it up for a second of its own after every attempt that fails, until which it needs the other.
            wait_for("sessions at this one on all paths", lambda: {
                end.path for end in crowd.now() + list(crowd.over) if end.service == name and end.began > since
            }.issuperset(self.hosts.paths))
            for path in self.hosts.paths:
                for _ in range(2):
                    crowd.open(path, "talk", FOREVER, pause=0.03)
        over = crowd.finish()
        # Who is not served yet may be on the way to it.
        ended = self.judge(over, lambda end: any(
            end.service in (name, None) and end.began < after and end.ended > before for name, before, after in kills))
        self.assertTrue(ended)
        self.tell("upstream killed", 4, over, ended, told=f"{max(told):.2f} s", recovery=f"{max(recoveries):.2f} s")

    def test_upstreams_that_reset_or_close(self):
        crowd, rest = self.crowd(), self.usual(talks=1)
        for kind in ("reset", "close"):
            for path in self.hosts.paths:
                for _ in range(5):
                    crowd.open(path, kind, 20_000, 60_000)
        over = crowd.finish()
        ended = self.judge(over, lambda end: True)
        self.assertEqual(len(ended), len(over))
        for end in over:
            self.assertLess(end.ended - end.began, SOON + 2, end)
            if end.kind == "close":
                # All that was said before an orderly end is heard.
                self.assertEqual(end.received, end.down // 2, end)
        rest = rest.finish()
        self.judge(rest)
        self.tell("upstreams reset or close half-way", len(over), over + rest, ended)

    def test_half_closed_streams(self):
        crowd = self.crowd()
        for _ in range(20):
            crowd.open(self.hosts.half, "half", 300_000, 400_000)
        over = crowd.finish()
        self.judge(over)
        self.tell("streams closed half", len(over), over)

    def test_upstreams_that_trickle(self):
        crowd, rest = self.crowd(), self.usual(talks=1)
        for path in self.hosts.paths:
            crowd.open(path, "trickle", 5_000, 80)
        over = crowd.finish() + rest.finish()
        self.judge(over)
        self.tell("upstreams trickle", len(self.hosts.paths), over)

    def test_upstreams_that_say_nothing(self):
        """Neither TLS, where it is waited for, nor anything at all: the gateway's time limits end both."""
        crowd, rest = self.crowd(), self.usual(talks=1)
        for _ in range(5):
            crowd.open(self.hosts.mute, "talk", 512)
            crowd.open(self.hosts.termination, "mute", 512, 512)
            crowd.open(self.hosts.chain, "mute", 512, 512)
        over = crowd.finish()
        ended = self.judge(over, lambda end: True)
        self.assertEqual(len(ended), len(over))
        for end in over:
            # proxy_connect_timeout is 1 s there, proxy_timeout 5 s.
            limit = 1 if end.path is self.hosts.mute else 5
            self.assertTrue(limit - 0.5 < end.ended - end.began < limit + 2, end)
        rest = rest.finish()
        self.judge(rest)
        told = max(end.ended - end.began for end in over)
        self.tell("upstreams say nothing", len(over), over + rest, ended, told=f"{told:.1f} s")

    def test_upstreams_that_are_not_there(self):
        """Packets to the first of the group vanish: the next takes over after proxy_connect_timeout, then at once."""
        crowd = self.crowd()
        begin = time.monotonic()
        crowd.open(self.hosts.astray, "talk", 1024, again=0)
        wait_for("sessions at the next", lambda: len(crowd.over) > 5)
        over = crowd.finish()
        self.judge(over)
        self.assertEqual({end.service for end in over}, {"2"})
        self.tell("upstream in a blackhole", 1, over, recovery=f"{recovered(crowd, begin):.2f} s")
