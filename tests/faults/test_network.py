"""What is done to the packets between the hosts."""
import time

from client import FOREVER
from datagrams import Datagrams
from fault import Fault, recovered
from gateway import wait_for

#: What befalls a bad line: a share of the packets each, and seconds.
BAD = {"delay": 0.01, "jitter": 0.005, "loss": 0.02, "duplicate": 0.02, "reorder": 0.05, "corrupt": 0.005}
#: Seconds that a cut lasts which sessions outlive, and within which the gateways give up on others (proxy_timeout, and some).
SHORT, GIVEN_UP = 1.5, 9
#: Seconds of proxy_timeout where the pauses of the kernels must not outlast it: a busy machine makes them long.
PATIENT = 10
#: Seconds after which a peer is asked again that had failed (fail_timeout), and another session waits for its answer.
FAIL_TIMEOUT = 2


class Network(Fault):
    def test_bad_lines(self):
        for gateway in self.hosts.gateways:
            self.be_patient(gateway)
        for wire in self.hosts.wires:
            wire.become(**BAD)
        crowd, datagrams = self.usual(talks=3), Datagrams(self.hosts)
        time.sleep(6)
        echoes = datagrams.finish()
        # Everything that is asked for now has to come through the same lines.
        over = crowd.finish()
        self.judge(over)
        counts = [wire.become() for wire in self.hosts.wires]
        total = {name: sum(count[name] for count in counts) for name in counts[0]}
        self.assertTrue(all(total.values()), total)
        # Six ways through the lines, each of which may lose it or damage it.
        self.assertLess(echoes.lost, echoes.sent * 0.3)
        total["datagrams"], total["datagrams lost"] = echoes.sent, echoes.lost
        self.tell("bad lines", 1, over, **total)
        later = Datagrams(self.hosts)
        time.sleep(0.3)
        self.assertEqual(later.finish().lost, 0)

    def test_lines_that_change(self):
        for gateway in self.hosts.gateways:
            self.be_patient(gateway)
        crowd = self.usual()
        changes = [{"delay": 0.05}, {"loss": 0.05}, {"delay": 0.02, "jitter": 0.02}, {"reorder": 0.3, "delay": 0.01},
                   {"duplicate": 0.3}, {"corrupt": 0.02}, {}]
        for faults in changes:
            for wire in self.hosts.wires:
                wire.become(**faults)
            time.sleep(0.7)
        over = crowd.finish()
        self.judge(over)
        self.tell("lines that change in mid-stream", len(changes) * len(self.hosts.wires), over)

    def test_short_cuts(self):
        """Of each line in turn."""
        for gateway in self.hosts.gateways:
            self.be_patient(gateway)
        for number, wire in enumerate(self.hosts.wires, 1):
            with self.subTest(number):
                self.outlive(f"line {number} cut for a while", lambda: wire.become(cut=True), wire.become, waits=True)

    def be_patient(self, gateway):
        """Has sessions wait longer for the next byte, until the test is over."""
        usual = (gateway.directory / "conf").read_text()

        def take(text):
            gateway.configure(text)
            gateway.reload()

        take(usual.replace("proxy_timeout 5s;", f"proxy_timeout {PATIENT}s;"))
        self.addCleanup(take, usual)

    def test_a_link_that_is_down(self):
        a = self.hosts.spaces[2]
        self.outlive("link down and up", lambda: a.ip("link set wire3 down"), lambda: a.ip("link set wire3 up"))

    def test_a_blackhole_on_the_way(self):
        b = self.hosts.spaces[1]
        self.outlive("blackhole route", lambda: b.ip("route add blackhole 10.77.2.2/32"),
                     lambda: b.ip("route del blackhole 10.77.2.2/32"))

    def outlive(self, what, fault, remedy, waits=False):
        """Sessions that are in when the fault comes outlive it; who comes meanwhile is told, or `waits`."""
        crowd = self.usual()
        begin = time.monotonic()
        fault()
        time.sleep(SHORT)
        remedy()
        end = time.monotonic()
        recovery = recovered(crowd, end)
        # Peers that were found dead have their rest, too.
        time.sleep(FAIL_TIMEOUT)
        over = crowd.finish()
        # Whom no service had answered yet was on the way when it came, or came meanwhile.
        ended = self.judge(over, lambda one: not waits and one.service is None
                           and one.ended > begin and one.began < end + FAIL_TIMEOUT)
        self.tell(what, 1, over, ended, recovery=f"{recovery:.2f} s")

    def test_cut_for_good(self):
        """Nobody says goodbye: both ends have to find out by themselves, on either side of the line that is cut."""
        crowd = self.usual()
        time.sleep(0.5)
        touched, wire = crowd.now(), self.hosts.wires[1]
        wire.become(cut=True)
        told = self.told_soon(touched, GIVEN_UP)
        wire.become()
        when = time.monotonic()
        recovery = recovered(crowd, when)
        over = crowd.finish()
        ended = self.judge(over, lambda end: end.began < when)
        self.tell("line cut for good", 1, over, ended, told=f"{told:.1f} s", recovery=f"{recovery:.2f} s")

    def test_clients_that_vanish(self):
        """Their line is cut, they are gone, and the gateways' ends of their sessions go too."""
        crowd = self.usual()
        touched = crowd.now()
        self.hosts.wires[0].become(cut=True)
        crowd.close()
        begin, numbers = time.monotonic(), {end.number for end in touched}
        wait_for("services know", lambda: self.hosts.quiet(numbers), GIVEN_UP)
        self.tell("clients vanish", len(touched), touched, touched, told=f"{time.monotonic() - begin:.1f} s")

    def test_clients_that_reset(self):
        rest, crowd, total = self.usual(talks=1), self.crowd(), []
        for _ in range(10):
            for path in self.hosts.paths:
                crowd.open(path, "talk", FOREVER, pause=0.01)
            wait_for("answers", lambda: crowd.served() == len(self.hosts.paths))
            total += crowd.now()
            crowd.reset()
            self.told_soon(total)
        over = rest.finish()
        self.judge(over)
        self.tell("clients reset", len(total), over + total, total)
