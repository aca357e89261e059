"""What is done to the gateways' own processes."""
import os
import signal
import time

from client import FOREVER
from datagrams import CLIENTS, PAUSE, Datagrams
from end import DONE, ENDED
from fault import Fault, recovered
from gateway import is_over, wait_for

#: Seconds that each of these takes.
LONG = 5
#: Seconds after which a worker process that dies is replaced at once.
SHORT_LIFE = 1.1


class Processes(Fault):
    def test_reloads_again_and_again(self):
        crowd, datagrams = self.usual(), Datagrams(self.hosts)
        count, end = 0, time.monotonic() + LONG
        while time.monotonic() < end:
            for gateway in self.hosts.gateways:
                gateway.reload()
                count += 1
            time.sleep(0.2)
        over = crowd.finish()
        self.judge(over)
        echoes = datagrams.finish()
        self.assertEqual(echoes.lost, 0)
        self.tell("reload", count, over, datagrams=echoes.sent)

    def test_worker_processes_are_killed(self):
        for gateway, name in zip(self.hosts.gateways, "AB"):
            with self.subTest(name):
                self.kill_workers(gateway, name)

    def kill_workers(self, gateway, name):
        crowd, rest, touched, recoveries, told = self.usual(), self.crowd(), [], [], []
        datagrams = Datagrams(self.hosts)
        if name == "A":
            rest.usual([self.hosts.around])
        for _ in range(3):
            time.sleep(SHORT_LIFE)
            there, worker, when = crowd.now(), gateway.worker(), time.monotonic()
            os.kill(worker, signal.SIGKILL)
            told.append(self.told_soon(there))
            recoveries.append(recovered(crowd, when))
            touched += there
            for path in self.hosts.paths:
                for _ in range(4):
                    crowd.open(path, "talk", FOREVER, pause=0.03)
        echoes = datagrams.finish()
        # Those on the way are gone, each client's next one comes through.
        self.assertLess(echoes.lost, 3 * CLIENTS * 0.5 / PAUSE)
        over = crowd.finish()
        ended = self.judge(over, lambda end: end in touched)
        self.assertTrue(ended)
        # No end may look like an orderly one where TLS can tell.
        self.assertFalse([end for end in ended if end.tls and end.fate == ENDED])
        untouched = rest.finish()
        self.judge(untouched)
        self.tell(f"worker process of {name} killed", 3, over + untouched, ended,
                  told=f"{max(told):.2f} s", recovery=f"{max(recoveries):.2f} s", datagrams=echoes.sent, lost=echoes.lost)

    def test_a_keeper_is_killed(self):
        crowd = self.usual()
        gateway, keeper, worker = self.hosts.a, self.hosts.a.pid(), self.hosts.a.worker()
        os.kill(keeper, signal.SIGKILL)
        wait_for("no new sessions are taken", lambda: any(end.fate not in (None, DONE) for end in list(crowd.over)))
        self.assertFalse(is_over(worker))
        gateway.start()
        when = time.monotonic()
        recovery = recovered(crowd, when)
        over = crowd.finish()
        # Who came while nobody listened was turned away; whoever was in stayed in.
        ended = self.judge(over, lambda end: end.began < when and end.service is None)
        wait_for("the old one ends", lambda: is_over(worker))
        self.tell("keeper of A killed", 1, over, ended, recovery=f"{recovery:.2f} s")

    def test_binaries_are_changed(self):
        for _ in range(2):
            crowd, datagrams = self.usual(), Datagrams(self.hosts)
            olds = [gateway.upgrade() for gateway in self.hosts.gateways]
            time.sleep(0.5)
            echoes = datagrams.finish()
            over = crowd.finish()
            self.judge(over)
            self.assertEqual(echoes.lost, 0)
            # Only then may the next one come.
            wait_for("the old ones end", lambda: all(is_over(old) for old in olds))
            self.tell("change of the binary", len(olds), over, datagrams=echoes.sent)
