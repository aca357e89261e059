"""What honest clients notice of a flood: 2,000 others that send half a hello and wait, and 500 a second whose handshakes
fail. Prints what it has measured."""
import os
import pathlib
import subprocess
import sys
import time

from attack import Attack
from gateway import Gateway

WAITING = 2000
FAILING = 500
#: Seconds of each measurement, and honest clients in each second of it.
SECONDS = 10
RATE = 50
FLOOD = pathlib.Path(__file__).with_name("flood.py")


class Flood(Attack):
    #: What 2,000 handshakes under way leave in arenas.
    slack = 64 * 1024

    @classmethod
    def setUpClass(cls):
        cls.gateway = Gateway(os.environ["LOCKGATE_BIN"], connections=4 * WAITING, main="worker_rlimit_nofile 20000;", timeout=60)

    def measure(self):
        """Milliseconds that honest clients take, in order."""
        took, start = [], time.monotonic()
        while (since := time.monotonic() - start) < SECONDS:
            if len(took) > since * RATE:
                time.sleep(0.002)
                continue
            took.append(self.gateway.honest.ask() * 1000)
        return sorted(took)

    def test_honest_clients_notice_little(self):
        idle = self.measure()
        with subprocess.Popen([sys.executable, FLOOD, str(self.gateway.ports["default"]), str(WAITING), str(FAILING)],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as flood:
            self.assertEqual(flood.stdout.readline(), "there\n")
            used = self.gateway.cpu()
            under = self.measure()
            used = self.gateway.cpu() - used
            flood.stdin.close()
            rate, waiting = map(int, flood.stdout.readline().split())
        report = [f"{what}: p50 {took[len(took) // 2]:.2f} ms, p99 {took[len(took) * 99 // 100]:.2f} ms, {len(took)} clients"
                  for what, took in (("idle", idle), ("flood", under))]
        print(f"\n{waiting} wait, {rate}/s fail, gateway uses {used / SECONDS:.0%} of a processor; {'; '.join(report)}")
        self.assertGreaterEqual(waiting, WAITING)
        self.assertGreater(rate, FAILING * 0.6, "the flood was one")
        # Three times as long, and what a busy machine adds by itself.
        p99 = [took[len(took) * 99 // 100] for took in (idle, under)]
        self.assertLess(p99[1], 3 * p99[0] + 20)
