"""What processes cost: CPU time and memory, from /proc."""
import os

TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    with open(f"/proc/{pid}/stat") as f:
        text = f.read()
    return text[text.rindex(")") + 2:].split()


def tree(root):
    """root and all its descendants, by pid."""
    children = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                children.setdefault(int(_stat(name)[1]), []).append(int(name))
            except (OSError, ValueError):
                pass
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        if os.path.exists(f"/proc/{pid}"):
            found.append(pid)
        todo += children.get(pid, [])
    return found


def named(name):
    """The pid of the kernel's thread of this name, if there is one."""
    for pid in os.listdir("/proc"):
        if pid.isdigit():
            try:
                with open(f"/proc/{pid}/comm") as f:
                    if f.read().strip() == name:
                        return int(pid)
            except OSError:
                pass
    return None


def nanoseconds(path):
    """The CPU time in a schedstat file."""
    with open(f"{path}/schedstat") as f:
        return int(f.read().split()[0])


def _threads(pid):
    """CPU time of each thread of a process."""
    times = {}
    for thread in os.listdir(f"/proc/{pid}/task"):
        try:
            times[thread] = nanoseconds(f"/proc/{pid}/task/{thread}")
        except OSError:
            pass
    return times


class Cpu:
    """The CPU time of a tree of processes, and of a core's ksoftirqd, at one moment."""

    def __init__(self, root, ksoftirqd=None):
        self.processes = {}
        for pid in tree(root):
            try:
                stat = _stat(pid)
                self.processes[pid] = _threads(pid), int(stat[11]) + int(stat[12])
            except OSError:
                pass
        self.ksoftirqd = nanoseconds(f"/proc/{ksoftirqd}") if ksoftirqd else 0

    def since(self, before):
        """Seconds of the processes, and of ksoftirqd."""
        total = 0
        for pid, (threads, ticks) in self.processes.items():
            old, old_ticks = before.processes.get(pid, ({}, 0))
            if old.keys() <= threads.keys():
                total += sum(threads.values()) - sum(old.values())
            else:   # the time of threads that have ended is in the process's, in steps of 10 ms
                total += (ticks - old_ticks) * 1_000_000_000 // TICK
        return total / 1e9, (self.ksoftirqd - before.ksoftirqd) / 1e9


def memory(root):
    """Bytes of a tree of processes: `pss`, `hwm` (peaks of RSS, added up), and how many `processes` there are."""
    total = {"pss": 0, "hwm": 0, "processes": 0}
    for pid in tree(root):
        try:
            for path, field, key in ((f"/proc/{pid}/smaps_rollup", "Pss:", "pss"),
                                     (f"/proc/{pid}/status", "VmHWM:", "hwm")):
                with open(path) as f:
                    for line in f:
                        if line.startswith(field):
                            total[key] += int(line.split()[1]) * 1024
            total["processes"] += 1
        except OSError:
            pass
    return total


def kernel_memory():
    """Bytes of the whole machine's kernel: slab, and the pages of TCP's buffers."""
    slab = tcp = 0
    with open("/proc/meminfo") as f:
        for line in f:
            if line.startswith("Slab:"):
                slab = int(line.split()[1]) * 1024
    with open("/proc/net/sockstat") as f:
        for line in f:
            if line.startswith("TCP:"):
                words = line.split()
                tcp = int(words[words.index("mem") + 1]) * os.sysconf("SC_PAGESIZE")
    return {"slab": slab, "tcp_mem": tcp}
