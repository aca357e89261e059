"""One measured run of one contestant at one workload."""
import json
import os
import shutil
import signal
import subprocess
import socket
import tempfile
import time

from . import processes
from .surroundings import Cores, Ports
from .workloads import GIB


class Fail(Exception):
    """A run that gives no figures, and why."""


class Env:
    """What all runs share: ports, certificates, lists of names, and the processes that are to be ended."""

    def __init__(self, a):
        self.a = a
        self.place = tempfile.mkdtemp(prefix="compare.")
        self.certs = os.path.join(self.place, "certs")
        self.ports, self.cores = Ports(), Cores()
        self.live, self.made = [], {}
        subprocess.run([a.load, "certificates", "--in", self.certs], check=True)

    def names(self, count, end):
        """The file of a map with so many names: each line a name, one of eight upstreams, and `end`."""
        def write(path):
            with open(path, "w") as f:
                f.writelines(f"h{i:07}.bench.test u{i % 8}{end}\n" for i in range(count))
        return self._once(f"names.{count}.{'conf' if end else 'txt'}", write)

    def certificates(self, count, kind=""):
        """The directory of so many certificates and their keys; of files with both if `kind` is pem."""
        def write(path):
            subprocess.run([self.a.load, "certificates", "--in", self.certs, "--many", path, "--count", str(count)],
                           check=True)
        def write_pem(path):
            os.mkdir(path)
            for name in os.listdir(self.certificates(count)):
                if name.endswith(".pem"):
                    os.link(f"{self.certificates(count)}/{name}", f"{path}/{name}")
        return self._once(f"many.{count}{kind}", write_pem if kind else write)

    def _once(self, name, write):
        path = os.path.join(self.place, name)
        if name not in self.made:
            write(path)
            self.made[name] = path
        return path

    def start(self, argv, cores, directory, environment=None, **pipes):
        with open(os.path.join(directory, "out.log"), "ab") as log:
            process = subprocess.Popen(
                ["taskset", "-c", ",".join(map(str, cores)), *argv], cwd=directory, stderr=log,
                env=dict(os.environ, **(environment or {})),
                **{"stdin": subprocess.DEVNULL, "stdout": log, **pipes})
        self.live.append(process)
        return process

    def stop(self, process):
        """Ends a process that was started here, and its children, by pid."""
        pids = processes.tree(process.pid) if process.poll() is None else []
        if pids:
            process.terminate()
            try:
                process.wait(3)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(5)
        end = time.time() + 0.3
        for pid in pids[1:]:
            while os.path.exists(f"/proc/{pid}") and time.time() < end:
                time.sleep(0.01)
            if os.path.exists(f"/proc/{pid}"):
                try:
                    os.kill(pid, signal.SIGKILL)
                except OSError:
                    pass
        if process in self.live:
            self.live.remove(process)

    def close(self):
        for process in list(self.live):
            self.stop(process)
        if not self.a.keep:
            shutil.rmtree(self.place, ignore_errors=True)


class Generator:
    """A lockgate-load process, spoken with by lines."""

    def __init__(self, env, words, port, backend, cores, directory, urgent=False):
        words = [word.replace("{certs}", env.certs) for word in words]
        argv = [env.a.load, words[0], "--target", str(port), "--backend", str(backend), "--max-secs",
                str(env.a.max_secs), *words[1:]]
        if urgent and subprocess.run(["chrt", "-f", "1", "true"], capture_output=True).returncode == 0:
            argv = ["chrt", "-f", "1", *argv]
        self.env = env
        self.process = env.start(argv, cores, directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def line(self):
        line = self.process.stdout.readline().decode().strip()
        if not line or line.startswith("ERROR"):
            raise Fail(line or "the generator ended early")
        return line

    def ready(self):
        if self.line() != "READY":
            raise Fail("the generator is not ready")

    def tell(self, order):
        self.process.stdin.write(order.encode() + b"\n")
        self.process.stdin.flush()

    def result(self):
        return json.loads(self.line().removeprefix("RESULT "))


class Run:
    """One contestant at one workload, once or, where it stays up, several times: `result` is a dict of what was measured,
    with `bad` if it failed."""

    def __init__(self, env, who, w, tracer=None):
        self.env, self.who, self.w, self.tracer = env, who, w, tracer
        self.directory = tempfile.mkdtemp(prefix=f"{w.id}.{who.name}.", dir=env.place)
        self.port, self.backends = env.ports.next(), [env.ports.next() for _ in range(1 + bool(w.small))]
        self.cores = env.cores.gateway(w.workers)
        self.load_cores = env.cores.generator(w.workers)
        self.gateway, self.processes = None, []
        self.result = {"workload": w.id, "who": who.name}

    def measure(self):
        """Starts it, has it work, ends it."""
        try:
            return self._attempt(self._start) or self._attempt(self._exchange) or self.result
        finally:
            self.end()

    def start(self):
        """The same in parts: starts it; false if that failed."""
        return self._attempt(self._start) is None

    def work(self):
        """Has one that is up work once more."""
        self.result = {"workload": self.w.id, "who": self.who.name}
        return self._attempt(self._exchange) or self.result

    def end(self):
        for process in reversed(self.processes):
            self.env.stop(process)
        if not self.env.a.keep:
            shutil.rmtree(self.directory, ignore_errors=True)

    def _attempt(self, step):
        """The result, if the step failed."""
        try:
            step()
            return None
        except (Fail, OSError, ValueError, subprocess.SubprocessError) as error:
            self.result["bad"] = f"{type(error).__name__}: {error}"
            self._keep_log()
            return self.result

    def _start(self):
        if self.who.binary:
            self._start_gateway()
        else:
            self.port = self.backends[0]

    def _exchange(self):
        generator = self._generator(self.w.generator, self.backends[0])
        generator.ready()
        if self.w.reloads:
            self._reloads(generator)
        elif self.w.small:
            self._beside(generator)
        else:
            self._work(generator)
        generator.process.stdin.close()
        generator.process.wait(20)
        self._check()

    def _generator(self, words, backend, **more):
        generator = Generator(self.env, words, self.port, backend, self.load_cores, self.directory, **more)
        self.processes.append(generator.process)
        return generator

    def _start_gateway(self):
        argv = self.who.command(self.directory, self.w, self.port, self.backends, self.env)
        def start():
            self.gateway = self.env.start(argv, self.cores, self.directory, self.who.environment)
            self.processes.append(self.gateway)
        if not self.w.names:
            start()
            return self._wait_until_up()
        words = ["probe", "--name", "h0000001.bench.test", "--front", "hello"]
        if self.w.mode == "certs":
            words = [*words[:-1], "tls", "--ca", "{certs}/ca.crt"]
        probe = self._generator(words, self.backends[0])
        probe.ready()
        began = time.time_ns()
        start()
        self.result["start_s"] = (int(probe.line().split()[1]) - began) / 1e9
        self.env.stop(probe.process)

    def _wait_until_up(self, limit=20):
        end = time.time() + limit
        while time.time() < end:
            if self.gateway.poll() is not None:
                raise Fail(f"exited with {self.gateway.returncode} at start")
            if self._is_up():
                time.sleep(0.2)
                return
            time.sleep(0.02)
        raise Fail("not up in time")

    def _is_up(self):
        if self.w.mode == "udp":
            with open("/proc/net/udp") as f:
                return f":{self.port:04X} " in f.read()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _memory(self):
        return processes.memory(self.gateway.pid) if self.gateway else None

    def _cpu(self):
        return processes.Cpu(self.gateway.pid, processes.named(f"ksoftirqd/{self.cores[0]}")) if self.gateway else None

    def _work(self, generator):
        if self.w.idle:
            time.sleep(0.5)
            kernel = processes.kernel_memory()
        self.result["mem0"] = self._memory()
        if self.tracer:
            self.tracer.start(processes.tree(self.gateway.pid), self.directory)
        before = self._cpu()
        generator.tell("GO")
        line = generator.line()
        if before:
            self.result["cpu"], self.result["ksoftirqd"] = self._cpu().since(before)
        if self.tracer:
            self.result["trace"] = self.tracer.stop()
        self.result.update(json.loads(line.removeprefix("RESULT ")))
        if self.w.idle:
            time.sleep(1)
            self.result["kernel"] = {k: v - kernel[k] for k, v in processes.kernel_memory().items()}
        self.result["mem1"] = self._memory()
        generator.tell("END")

    def _beside(self, bulk):
        """The small one's figures, and what the bulk took meanwhile. The small one's generator goes before the bulk's on
        their core, so that it is the gateway that it waits for."""
        bulk.tell("GO")
        time.sleep(0.3)
        small = self._generator(self.w.small, self.backends[1], urgent=True)
        small.ready()
        before = self._cpu()
        small.tell("GO")
        line = small.line()
        self.result["cpu"], self.result["ksoftirqd"] = self._cpu().since(before)
        small.tell("END")
        bulk.tell("END")
        result = bulk.result()
        self.result["bulk_gib_s"] = result["bytes"] / GIB / result["secs"]
        self.result.update(json.loads(line.removeprefix("RESULT ")))

    def _reloads(self, generator):
        time.sleep(0.5)
        self.result["mem0"] = self._memory()
        before = self._cpu()
        generator.tell("GO")
        time.sleep(0.5)
        for _ in range(self.w.reloads):
            if self.w.churn:
                generator.tell(f"ADD {self.w.churn}")
                time.sleep(0.1)
            os.kill(self.gateway.pid, self.who.reload_signal)
            time.sleep(0.35)
        time.sleep(0.5)
        self.result["mem1"] = self._memory()
        self.result["cpu"] = self._cpu().since(before)[0]
        generator.tell("END")
        self.result.update(generator.result())
        time.sleep(1.5)
        self.result["mem2"] = self._memory()

    def _check(self):
        w, r = self.w, self.result
        if w.reloads:
            return
        if r.get("fail"):
            r["bad"] = f"{r['fail']} failed: {r.get('error')}"
        elif w.unit in ("conn", "rtt", "idle") and r["done"] != w.units:
            r["bad"] = f"{r['done']} of {w.units} done, {r.get('lost')} lost"
        elif w.unit == "GiB" and r["bytes"] != int(w.units * GIB):
            r["bad"] = f"{r['bytes']} bytes"
        elif other := [tls for tls in (r.get("tls"), r.get("backend_tls")) if tls and not tls.startswith("TLSv1.3 ")]:
            r["bad"] = f"{other[0]} instead of TLS 1.3"
        elif w.resume and r["resumed"] < w.units:
            r["note"] = f"only {r['resumed']} of {w.units} resumed"

    def _keep_log(self):
        for name in ("error.log", "out.log"):
            try:
                with open(os.path.join(self.directory, name), errors="replace") as f:
                    text = f.read().strip()
            except OSError:
                continue
            if text:
                self.result["log"] = text[-600:]
                return
