"""Everything that breaks, for a long time, under a steady load: nothing may grow. The environment variable SOAK_MINUTES says
how long."""
import collections
import itertools
import os
import signal
import time

from authority import replace
from end import CHUNK
from fault import Fault
from gateway import wait_for
from hosts import ONE, TWO

MINUTES = float(os.environ.get("SOAK_MINUTES", "10"))
#: Seconds between two samples, and after which what a fault has done to sessions is known.
EVERY, KNOWN = 5, 3
#: A bad line, on which connecting takes no longer than the gateways' limits.
BAD = {"delay": 0.01, "jitter": 0.005, "loss": 0.005, "duplicate": 0.02, "reorder": 0.05, "corrupt": 0.002}
#: What the last quarter may have more than the second: a factor and an amount for each thing that is measured. How much a
#: processor does in a millisecond depends on who else works on the machine.
GROWTH = {"resident": (1.1, 2 * 1024), "descriptors": (1.1, 8), "threads": (1, 0.5), "cpu": (1.5, 0)}
UNITS = {"resident": "KiB", "descriptors": "descriptors", "threads": "threads", "cpu": "CPU ms/MiB"}


class Soak(Fault):
    def test_nothing_grows(self):
        hosts = self.hosts
        for number in range(3):
            hosts.of_a.issue(f"a{number}", "a.fault.test", "termination.fault.test")
            hosts.of_b.issue(f"b{number}", "b.fault.test")
        self.faults, self.totals = [], collections.Counter()
        self.samples = {gateway: collections.defaultdict(list) for gateway in hosts.gateways}
        self.begin()
        # What is done, and how many seconds lie between two times.
        plan = [(EVERY, self.sample), (4, self.reload), (23, self.kill_upstream), (61, self.kill_worker), (7, self.rotate),
                (13, self.change_lines), (9, self.change_names)]
        due = {what: time.monotonic() + every for every, what in plan}
        end = time.monotonic() + MINUTES * 60
        while time.monotonic() < end:
            for every, what in plan:
                if time.monotonic() >= due[what]:
                    what()
                    due[what] = time.monotonic() + every
            time.sleep(0.1)
        hosts.mend()
        over = self.crowd_at_work.finish()
        self.count(over)
        self.report()

    def begin(self):
        """A load that the machine bears with ease: what counts is that it stays the same."""
        crowd = self.crowd_at_work = self.crowd()
        for path in (*self.hosts.paths, self.hosts.named):
            for seconds in (5, 10, 15, 20):
                crowd.open(path, "talk", seconds * 20 * CHUNK, pause=0.05, again=0.1)
            crowd.open(path, "talk", 64 * 1024, again=0.2)
            crowd.open(path, "bulk", 512 * 1024, again=0.7)
            crowd.open(path, "talk", 2 * CHUNK, again=0.05)
        kinds = ("reload", "upstream", "worker", "certificates", "lines", "names")
        self.turns = {what: itertools.count() for what in kinds}
        self.cpu = {gateway: self.ticks(gateway) for gateway in self.hosts.gateways}
        self.moved = 0

    def turn(self, what, *choices):
        """The next of the choices for a fault, which is counted."""
        return choices[next(self.turns[what]) % len(choices)]

    def reload(self):
        self.turn("reload", *self.hosts.gateways).reload()

    def kill_upstream(self):
        name, before = self.turn("upstream", "1", "2"), time.monotonic()
        self.hosts.services[name].kill()
        self.hosts.serve(name)
        self.faults.append((before, time.monotonic(), (name, None)))

    def kill_worker(self):
        gateway, before = self.turn("worker", self.hosts.a), time.monotonic()
        worker = gateway.worker()
        os.kill(worker, signal.SIGKILL)
        wait_for("another one", lambda: gateway.worker() not in (None, worker))
        self.faults.append((before, time.monotonic(), ("1", "2", None)))

    def rotate(self):
        number = self.turn("certificates", 0, 1, 2)
        replace(self.hosts.pki, "a", f"a{number}")
        replace(self.hosts.pki, "b", f"b{number}")

    def change_lines(self):
        faults = self.turn("lines", BAD, {"delay": 0.02}, {})
        # Questions to the name server are not repeated soon enough to come through in time.
        for wire in self.hosts.wires[:2]:
            wire.become(**faults)

    def change_names(self):
        self.hosts.names.answer = [self.turn("names", TWO, ONE)]

    def touched(self, end):
        """Whether a fault may have ended it."""
        return any(end.service in services and end.began < after and end.ended > before
                   for before, after, services in self.faults)

    def context(self):
        ago = [f"{time.monotonic() - after:.1f} s ago, of {services}" for _, after, services in self.faults[-4:]]
        return f"faults {ago}, {dict((what, next(turns)) for what, turns in self.turns.items())}\n{super().context()}"

    def count(self, over):
        """Takes sessions that are over, whose fate has to be right, into the totals."""
        lost = self.judge(over, self.touched)
        self.totals["sessions"] += len(over)
        self.totals["ended by a fault"] += len(lost)
        self.totals["bytes"] += sum(end.sent + end.received for end in over)
        for service in self.hosts.services.values():
            service.over.clear()

    def ticks(self, gateway):
        """Seconds of processor of each of its processes."""
        return {pid: gateway.cpu_of(pid) for pid in gateway.pids()}

    def sample(self):
        now = time.monotonic()
        known = list(itertools.takewhile(lambda end: end.ended < now - KNOWN, list(self.crowd_at_work.over)))
        self.count(known)
        del self.crowd_at_work.over[:len(known)]
        moved, self.moved = self.totals["bytes"] - self.moved, self.totals["bytes"]
        for gateway, samples in self.samples.items():
            ticks = self.ticks(gateway)
            used = sum(ticks[pid] - self.cpu[gateway].get(pid, 0) for pid in ticks)
            self.cpu[gateway] = ticks
            samples["resident"].append(gateway.resident())
            samples["descriptors"].append(gateway.descriptors())
            samples["threads"].append(gateway.threads())
            samples["cpu"].append(used * 1000 / max(moved / 2**20, 1))

    def report(self):
        """Compares the quarters, and says what there was."""
        counts = {what: next(turns) for what, turns in self.turns.items()}
        print(f"\n    {MINUTES:g} minutes: {self.totals['sessions']} sessions, {self.totals['bytes'] / 2**30:.2f} GiB checked, "
              f"{self.totals['ended by a fault']} ended by a fault, no byte lost otherwise")
        print("    " + ", ".join(f"{what} {count}" for what, count in counts.items()))
        grown = []
        for gateway, name in zip(self.hosts.gateways, "AB"):
            for what, samples in self.samples[gateway].items():
                size = max(len(samples) // 4, 1)
                quarters = [sum(part) / len(part) for part in (samples[at:at + size] for at in range(0, 4 * size, size)) if part]
                print(f"    {name} {UNITS[what]} by quarters: " + ", ".join(f"{one:.1f}" for one in quarters))
                second, last = quarters[1], quarters[-1]
                factor, amount = GROWTH[what]
                if last > second * factor + amount:
                    grown.append(f"{name}: {what} {second:.1f} -> {last:.1f}")
        self.assertFalse(grown)
