"""A gateway under attack: its process, its certificates, an honest service behind it, and an honest client that goes on
asking all the while. Sends nothing hostile itself."""
import os
import pathlib
import random
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

#: Seconds that the configuration grants a silent peer.
TIMEOUT = 3
#: Seconds within which everything has to be over, on a busy machine too.
LIMIT = 30

CONFIGURATION = """
daemon off; worker_processes 1; pid {dir}/pid; error_log {dir}/error.log info; {user} {main}
events {{ worker_connections {connections}; }}
stream {{
    ssl_certificate {dir}/rsa.crt; ssl_certificate_key {dir}/rsa.key;
    ssl_certificate {dir}/ec.crt; ssl_certificate_key {dir}/ec.key;
    ssl_client_certificate {dir}/rsa.crt;
    ssl_handshake_timeout {timeout}s; preread_timeout {timeout}s; proxy_protocol_timeout {timeout}s; proxy_timeout {timeout}s;
    proxy_connect_timeout {timeout}s;
    server {{ listen 127.0.0.1:{default} ssl; proxy_pass 127.0.0.1:{echo}; }}
    server {{
        listen 127.0.0.1:{modern} ssl; proxy_pass 127.0.0.1:{echo};
        ssl_protocols TLSv1.2 TLSv1.3; ssl_session_tickets off; ssl_prefer_server_ciphers on;
        ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384;
    }}
    server {{ listen 127.0.0.1:{mutual} ssl; ssl_verify_client on; proxy_pass 127.0.0.1:{echo}; }}
    server {{ listen 127.0.0.1:{preread}; ssl_preread on; proxy_pass 127.0.0.1:{default}; }}
    server {{ listen 127.0.0.1:{proxied} ssl proxy_protocol; proxy_pass 127.0.0.1:{echo}; }}
    server {{ listen 127.0.0.1:{upstream}; proxy_pass 127.0.0.1:{hostile}; proxy_ssl on; }}
}}
"""
LISTENERS = ("default", "modern", "mutual", "preread", "proxied")


def free_ports(count):
    """Ports that nobody listens on, all different, and none of those that connections go out from, which would be in the way of
    who listens there later."""
    first = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = []
    for port in random.sample(range(first // 4, first // 2), 10 * count):
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue  # somebody does
        ports.append(port)
        if len(ports) == count:
            return ports
    raise AssertionError(f"no {count} ports are free below {first}")


def wait_for(what, probe, limit=LIMIT):
    """The first true answer of `probe`, or a failure that names `what`."""
    end = time.monotonic() + limit
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"not within {limit} s: {what}")
        time.sleep(0.05)


class Echo:
    """The service behind the gateway: sends back what it gets."""

    def __init__(self, port):
        self.socket = socket.create_server(("127.0.0.1", port), backlog=256)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            client, _ = self.socket.accept()
            threading.Thread(target=self.echo, args=(client,), daemon=True).start()

    @staticmethod
    def echo(client):
        with client:
            try:
                while data := client.recv(65536):
                    client.sendall(data)
            except OSError:
                pass


class Gateway:
    """The running program, its ports as attributes."""

    def __init__(self, binary, connections=1024, main="", timeout=TIMEOUT):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="hostile-"))
        for name, kind in (("rsa", ["rsa:2048"]), ("ec", ["ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])):
            subprocess.run(["openssl", "req", "-x509", "-nodes", "-days", "90", "-newkey", *kind, "-subj", "/CN=localhost",
                            "-addext", "subjectAltName=DNS:localhost", "-keyout", self.dir / f"{name}.key",
                            "-out", self.dir / f"{name}.crt"], check=True, stderr=subprocess.DEVNULL)
        names = (*LISTENERS, "upstream", "hostile", "echo")
        self.ports = dict(zip(names, free_ports(len(names))))
        (self.dir / "conf").write_text(CONFIGURATION.format(
            dir=self.dir, timeout=timeout, connections=connections, main=main, user="user root root;" if os.geteuid() == 0 else "", **self.ports))
        self.echo = Echo(self.ports["echo"])
        self.stderr = (self.dir / "stderr").open("w")
        self.process = subprocess.Popen([binary, "-p", f"{self.dir}/", "-c", self.dir / "conf", "-e", "stderr"],
                                        stdin=subprocess.DEVNULL, stderr=self.stderr)
        wait_for("the gateway listens", lambda: (self.dir / "pid").exists() or self.process.poll() is not None)
        self.honest = Honest(self)
        self.honest.ask()

    def descriptors(self):
        """How many descriptors all of its processes hold open."""
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.pids())

    def pids(self):
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [str(self.process.pid), *children]

    def resident(self):
        """Its memory in KiB."""
        text = "".join(pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self.pids())
        return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Rss:"))

    def cpu(self):
        """Seconds of processor that it has used."""
        ticks = 0
        for pid in self.pids():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")

    def connect(self, listener, proxied=True):
        """A plain connection to a listener; the one that wants a PROXY header gets it at once, unless `proxied` is false."""
        client = socket.create_connection(("127.0.0.1", self.ports[listener]), timeout=LIMIT)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if listener == "proxied" and proxied:
            client.sendall(b"PROXY TCP4 192.0.2.1 192.0.2.2 1111 2222\r\n")
        return client

    def log(self):
        return (self.dir / "error.log").read_text(errors="replace")

    def stop(self):
        """Ends it, and checks that it ends in order."""
        self.process.terminate()
        code = self.process.wait(LIMIT)
        said = (self.dir / "stderr").read_text()
        log = self.log()
        shutil.rmtree(self.dir)
        assert code == 0, f"exit code {code}\n{said}"
        for word in ("panicked", "[alert]", "[emerg]", "AddressSanitizer"):
            assert word not in said + log, "\n".join(line for line in (said + log).splitlines() if word in line)


class Honest:
    """A client that does nothing wrong, and whom no attack may keep from being served."""

    def __init__(self, gateway):
        self.gateway = gateway
        self.context = ssl.create_default_context(cafile=gateway.dir / "rsa.crt")
        self.context.load_verify_locations(gateway.dir / "ec.crt")

    def ask(self):
        """Asks once and gives the seconds that it took."""
        start = time.monotonic()
        with self.gateway.connect("default") as plain:
            with self.context.wrap_socket(plain, server_hostname="localhost") as client:
                client.sendall(b"hello")
                answer = client.recv(16)
        assert answer == b"hello", answer
        return time.monotonic() - start

    def __enter__(self):
        self.slowest, self.count, self.fault, self.over = 0.0, 0, None, threading.Event()
        self.thread = threading.Thread(target=self.keep_asking)
        self.thread.start()
        return self

    def keep_asking(self):
        while not self.over.is_set():
            try:
                self.slowest = max(self.slowest, self.ask())
                self.count += 1
            except (OSError, AssertionError) as error:
                self.fault = error
                return
            self.over.wait(0.1)

    def __exit__(self, kind, *_):
        self.over.set()
        self.thread.join()
        if kind is None:
            assert self.fault is None, f"an honest client was not served: {self.fault!r}"
            assert self.count > 0
            assert self.slowest < TIMEOUT, f"an honest client waited {self.slowest:.1f} s"
