"""Looks into a contestant while it works: system calls counted by strace, or time by function from perf."""
import os
import signal
import subprocess
import time


class Tracer:
    def __init__(self, tool):
        self.tool = tool

    def start(self, pids, directory):
        self.out = os.path.join(directory, "trace")
        pids = list(map(str, pids))
        if self.tool == "strace":
            argv = ["strace", "-c", "-f", "-o", self.out, *(word for pid in pids for word in ("-p", pid))]
        else:
            argv = ["perf", "record", "-q", "-e", "cpu-clock", "-F", "2000", "-o", self.out, "-p", ",".join(pids)]
        self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        time.sleep(1)

    def stop(self):
        """The tool's table."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)
        if self.tool == "strace":
            with open(self.out) as f:
                return f.read()
        tables = ""
        for by in ("dso", "dso,symbol"):
            argv = ["perf", "report", "-i", self.out, "--stdio", "-q", "--no-children", "-s", by, "--percent-limit", "0.7"]
            tables += subprocess.run(argv, capture_output=True, text=True, timeout=60).stdout
        return tables
