"""A link between two namespaces that does to packets what netem does, whatever the kernel has been built with: a process
that carries them from one TUN device to another."""
import fcntl
import heapq
import json
import os
import random
import select
import struct
import subprocess
import sys
import time

TUNSETIFF = 0x400454CA
TUN_WITHOUT_HEADER = 0x0001 | 0x1000
#: Packets taken from one side before the other has its turn.
BATCH = 64
#: What a link does by default: seconds of delay, and shares of all packets.
CLEAN = {"delay": 0.0, "jitter": 0.0, "loss": 0.0, "duplicate": 0.0, "reorder": 0.0, "corrupt": 0.0, "cut": False}


class Wire:
    """The link 10.77.N.0/24, whose left end has address 1, the right one 2."""

    def __init__(self, left, right, number):
        self.ends, self.name = (left, right), f"wire{number}"
        devices = [self._device(space, f"10.77.{number}.{host}") for host, space in enumerate(self.ends, 1)]
        self.process = subprocess.Popen([sys.executable, __file__, *map(str, devices), str(number)], pass_fds=devices,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for device in devices:
            os.close(device)

    def _device(self, space, address):
        with space:
            device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", self.name.encode(), TUN_WITHOUT_HEADER))
        space.ip(f"address add {address}/24 dev {self.name}")
        # Long enough that the link by itself loses nothing.
        space.ip(f"link set {self.name} up txqueuelen 10000")
        return device

    def become(self, **faults):
        """Does this to packets from now on, nothing if nothing is said. Gives the numbers of packets since the last time: all
        that came, and those with each fault."""
        self.process.stdin.write(json.dumps(CLEAN | faults) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class Carrier:
    """The process's inside."""

    def __init__(self, left, right, seed):
        self.other = {left: right, right: left}
        self.chance = random.Random(seed).random
        self.faults = CLEAN
        self.late = []
        self.clear()

    def clear(self):
        self.counts = dict.fromkeys(("packets", "lost", "duplicated", "reordered", "corrupted"), 0)

    def happens(self, fault, name):
        """Whether the fault strikes now; counted if so."""
        strikes = self.faults[fault] > 0 and self.chance() < self.faults[fault]
        self.counts[name] += strikes
        return strikes

    def carry(self, to, packet):
        self.counts["packets"] += 1
        if self.faults["cut"]:
            self.counts["lost"] += 1
            return
        if self.happens("loss", "lost"):
            return
        if self.happens("corrupt", "corrupted"):
            place = int(self.chance() * len(packet) * 8)
            packet = bytearray(packet)
            packet[place // 8] ^= 1 << place % 8
        for _ in range(1 + self.happens("duplicate", "duplicated")):
            wait = self.faults["delay"] + self.faults["jitter"] * (2 * self.chance() - 1)
            if wait > 0 and not self.happens("reorder", "reordered"):
                heapq.heappush(self.late, (time.monotonic() + wait, self.counts["packets"], to, packet))
            else:
                self.put(to, packet)

    @staticmethod
    def put(to, packet):
        try:
            os.write(to, packet)
        except OSError:
            pass  # the queue is full, the device down, or the packet no longer one: lost, as on any link

    def run(self):
        poll = select.poll()
        for fd in (*self.other, 0):
            poll.register(fd, select.POLLIN)
        while True:
            wait = max(0.0, self.late[0][0] - time.monotonic()) * 1000 if self.late else None
            for fd, event in poll.poll(wait):
                if fd == 0:
                    line = sys.stdin.readline()
                    if not line:
                        return
                    self.faults = json.loads(line)
                    print(json.dumps(self.counts), flush=True)
                    self.clear()
                else:
                    self.take(fd)
            now = time.monotonic()
            while self.late and self.late[0][0] <= now:
                _, _, to, packet = heapq.heappop(self.late)
                self.put(to, packet)

    def take(self, fd):
        for _ in range(BATCH):
            try:
                packet = os.read(fd, 65536)
            except OSError:
                return  # nothing more there, or the device is down
            self.carry(self.other[fd], packet)


if __name__ == "__main__":
    Carrier(*map(int, sys.argv[1:])).run()
