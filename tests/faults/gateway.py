"""A gateway as a running program in a namespace: its signals, its processes, and what they hold."""
import os
import pathlib
import signal
import subprocess
import time

#: Seconds within which everything has to be over, on a busy machine too.
LIMIT = 30
#: Ends of empty pipes that a thread keeps at most.
PIPES = 32
#: What it may be alarmed at, since the tests do it.
DONE_TO_IT = ("exited on signal 9", "the process that started this one is gone")


def wait_for(what, probe, limit=LIMIT):
    """The first true answer of `probe`, or a failure that names `what`."""
    end = time.monotonic() + limit
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit} s: {what() if callable(what) else what}")
        time.sleep(0.01)


def is_over(pid):
    """Whether a process has ended."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


class Gateway:
    """The running program. `directory` holds its configuration, logs and pid file."""

    def __init__(self, binary, space, directory, configuration):
        self.binary, self.space, self.directory = binary, space, pathlib.Path(directory)
        self.directory.mkdir()
        self.configure(configuration)
        self.start()

    def configure(self, text):
        (self.directory / "conf").write_text(text)

    def start(self):
        """Starts it into the background."""
        with self.space:
            subprocess.run([self.binary, *self.arguments()], check=True, stdin=subprocess.DEVNULL, timeout=LIMIT)
        self.keeper = wait_for("the pid file", self.pid)

    def arguments(self):
        return ["-p", f"{self.directory}/", "-c", f"{self.directory}/conf", "-e", f"{self.directory}/error.log"]

    def pid(self, name="pid"):
        try:
            return int((self.directory / name).read_text())
        except (OSError, ValueError):
            return None

    def pids(self):
        return [pid for pid in self.space.pids() if not is_over(pid)]

    def worker(self):
        """The process that serves, of the keeper there is now."""
        keeper = self.pid()
        children = pathlib.Path(f"/proc/{keeper}/task/{keeper}/children").read_text().split()
        serving = [int(child) for child in children if not is_over(child)]
        return serving[0] if len(serving) == 1 else None

    def reload(self):
        """Reloads, and waits for the outcome, which has to be good."""
        with self.space:
            subprocess.run([self.binary, *self.arguments(), "-s", "reload"], check=True, timeout=LIMIT, stderr=subprocess.DEVNULL)

    def upgrade(self):
        """Has the binary replace itself, and the old one end with its sessions. Gives the number of the old process."""
        old = self.pid()
        os.kill(old, signal.SIGUSR2)
        wait_for("the new binary", lambda: self.pid() not in (None, old))
        # It writes its pid file before it serves.
        wait_for("its worker", self.worker)
        os.kill(old, signal.SIGQUIT)
        return old

    def log(self):
        return (self.directory / "error.log").read_text(errors="replace")

    def descriptors(self):
        """How many descriptors its processes hold open, the pipes left out that each thread keeps for its next bulk."""
        count = pipes = 0
        for pid in self.pids():
            for fd in self.entries(pid, "fd"):
                try:
                    pipe = os.readlink(f"/proc/{pid}/fd/{fd}").startswith("pipe:")
                except OSError:
                    continue  # closed meanwhile
                count, pipes = count + (not pipe), pipes + pipe
        assert pipes <= PIPES * self.threads(), f"{pipes} pipes"
        return count

    def threads(self):
        return sum(len(self.entries(pid, "task")) for pid in self.pids())

    @staticmethod
    def entries(pid, what):
        try:
            return os.listdir(f"/proc/{pid}/{what}")
        except OSError:
            return []  # it has just ended

    def resident(self):
        """Its memory in KiB, what processes share counted once."""
        return sum(self.resident_of(pid) for pid in self.pids())

    @staticmethod
    def resident_of(pid):
        try:
            text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            return 0  # it has just ended
        return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))

    def cpu(self):
        """Seconds of processor that its processes have used."""
        return sum(self.cpu_of(pid) for pid in self.pids())

    @staticmethod
    def cpu_of(pid):
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return 0  # it has just ended
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        """Ends it, and checks that it ends and has noticed nothing of its own that is wrong."""
        os.kill(self.pid(), signal.SIGTERM)
        wait_for("the gateway ends", lambda: not self.pids())
        log = self.log()
        faults = [line for line in log.splitlines() if "panicked" in line or "[emerg]" in line]
        faults += [line for line in log.splitlines() if "[alert]" in line and not any(word in line for word in DONE_TO_IT)]
        assert not faults, "\n".join(faults)
