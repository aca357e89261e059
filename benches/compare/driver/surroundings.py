"""Where a comparison runs: cores, limits, ports, a network namespace of its own."""
import os
import resource
import shutil
import socket
import subprocess
import sys

CONTROL = "/proc/sys/net/ipv4/tcp_congestion_control"
INSIDE = "LOCKGATE_COMPARE_INSIDE"


def raise_open_files():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (50000, max(hard, 50000)))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def open_files():
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def enter_namespace():
    """Starts this program again in a network namespace of its own with reno, where the kernel allows it: BBR paces even on
    loopback. Without root a user namespace gives the right to; a second one in it gives the user's own number back, so that
    no contestant believes to be root. Returns inside, or where there is no way in."""
    if os.environ.get(INSIDE) or not shutil.which("unshare"):
        return
    set_up = f'export {INSIDE}=1; ip link set lo up && echo reno >{CONTROL} || exit 1; '
    again = [sys.executable, *sys.argv]
    if os.geteuid() == 0:
        argv = ["unshare", "-n", "sh", "-c", set_up + 'exec "$@"', "sh", *again]
        trial = ["unshare", "-n", "sh", "-c", set_up]
    else:
        back = f"unshare --map-user={os.getuid()} --map-group={os.getgid()} "
        argv = ["unshare", "-rn", "sh", "-c", set_up + f'exec {back} "$@"', "sh", *again]
        trial = ["unshare", "-rn", "sh", "-c", set_up + back + "true"]
    environment = dict(os.environ, PATH=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if subprocess.run(trial, env=environment, capture_output=True).returncode == 0:
        sys.stdout.flush()
        os.execvpe("unshare", argv, environment)
    print("compare: no network namespace to be had here: the machine's own congestion control counts", file=sys.stderr)


def description():
    """One line about the machine."""
    with open(CONTROL) as f:
        control = f.read().strip()
    model = "unknown"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{os.cpu_count()} cores of {model}, Linux {os.uname().release}, congestion control {control}"


class Cores:
    """Which cores the gateway has, and which the generator."""

    def __init__(self):
        self.all = sorted(os.sched_getaffinity(0))
        if len(self.all) < 2:
            sys.exit("compare: two cores are needed, one for the gateway and one for the load")

    def gateway(self, workers):
        return self.all[:workers]

    def generator(self, workers):
        """Cores beside the gateway's; all of them if it has every core."""
        return self.all[workers:] or self.all


class Ports:
    """Fresh ports for every run, below those that the kernel gives, so that one run's TIME_WAIT sockets do not slow
    down the next one's connects."""
    LOWEST, HIGHEST = 10000, 32000

    def __init__(self):
        self.last = self.LOWEST + (os.getpid() * 97) % 15000

    def next(self):
        while True:
            self.last = self.last + 1 if self.last < self.HIGHEST else self.LOWEST
            if self._free(socket.SOCK_STREAM) and self._free(socket.SOCK_DGRAM):
                return self.last

    def _free(self, kind):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", self.last))
            except OSError:
                return False
        return True
