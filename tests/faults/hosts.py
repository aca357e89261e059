"""What the faults befall: clients, gateway B, gateway A and services, in a row, each in a namespace of its own.

    clients ─ wire 1 ─ B ─ wire 2 ─ A ─ wire 3 ─ services one and two, name server
"""
import collections
import pathlib
import shutil
import ssl
import subprocess
import sys
import tempfile
import threading

from authority import Authority
from gateway import Gateway
from names import Names
from space import Space
from wire import Wire

#: A way through the gateways, as clients see it: where they connect, and with which TLS and server name, if any.
Path = collections.namedtuple("Path", "name address tls server_name")

#: What is limited to so many connections, on the path of that name.
SLOTS = 8
ONE, TWO = "10.77.3.2", "10.77.3.3"
HERE = pathlib.Path(__file__).resolve().parent

HEAD = """
worker_processes 2; pid {dir}/pid; error_log {dir}/error.log notice; user nobody nogroup;
events {{ worker_connections 512; }}
stream {{
    proxy_connect_timeout 4s; proxy_timeout 5s; preread_timeout 5s; ssl_handshake_timeout 5s;
"""

ON_B = HEAD + """
    map $ssl_preread_server_name $inward {{
        passthrough.fault.test 10.77.2.2:1001;
        termination.fault.test 10.77.2.2:1002;
        default                127.0.0.1:1;
    }}
    proxy_ssl_name a.fault.test; proxy_ssl_server_name on;
    proxy_ssl_verify on; proxy_ssl_trusted_certificate {pki}/of-a.crt;
    proxy_ssl_certificate {pki}/b.crt; proxy_ssl_certificate_key {pki}/b.key;

    server {{ listen 10.77.1.2:1000; ssl_preread on; proxy_pass $inward; }}
    server {{ listen 10.77.1.2:1003; proxy_pass 10.77.2.2:1003; }}
    server {{ listen 10.77.1.2:1004; proxy_pass 10.77.2.2:1004; proxy_ssl on; }}
    server {{ listen 10.77.1.2:1005; proxy_pass 10.77.2.2:1005; }}
    server {{ listen 10.77.1.2:1006; proxy_pass 10.77.3.2:7000; }}
    server {{ listen 10.77.1.2:1007; proxy_pass 10.77.2.2:1007; }}
    server {{ listen 10.77.1.2:1008; proxy_pass 10.77.2.2:1008; proxy_ssl on; proxy_half_close on; }}
    server {{ listen 10.77.1.2:1009; proxy_pass 10.77.2.2:1009; }}
    server {{ listen 10.77.1.2:1010; proxy_pass 10.77.2.2:1010; }}
    server {{ listen 10.77.1.2:1011; proxy_pass 10.77.2.2:1011; }}
    server {{ listen 10.77.1.2:1053 udp; proxy_pass 10.77.2.2:1053; }}
}}
"""

ON_A = HEAD + """
    upstream plain  {{ zone plain 64k;  server 10.77.3.2:7000 fail_timeout=1s; server 10.77.3.3:7000 fail_timeout=1s; }}
    upstream sealed {{ zone sealed 64k; server 10.77.3.2:8000 fail_timeout=1s; server 10.77.3.3:8000 fail_timeout=1s; }}
    upstream astray {{ server 10.77.3.9:7000; server 10.77.3.3:7000 backup; }}
    limit_conn_zone $server_port zone=slots:64k;
    resolver 10.77.3.2 ipv6=off; resolver_timeout 1s;
    map $server_port $service {{ default service.fault.test; }}
    ssl_certificate {pki}/a.crt; ssl_certificate_key {pki}/a.key;
    ssl_client_certificate {pki}/of-b.crt;
    proxy_ssl_name service.fault.test; proxy_ssl_server_name on;
    proxy_ssl_verify on; proxy_ssl_trusted_certificate {pki}/of-services.crt;

    server {{ listen 10.77.2.2:1001; ssl_preread on; proxy_pass sealed; }}
    server {{ listen 10.77.2.2:1002 ssl; proxy_pass plain; }}
    server {{ listen 10.77.2.2:1003; proxy_pass sealed; proxy_ssl on; }}
    server {{ listen 10.77.2.2:1004 ssl; ssl_verify_client on; proxy_pass plain; }}
    server {{ listen 10.77.2.2:1005; proxy_pass plain; }}
    server {{ listen 10.77.2.2:1007; proxy_pass plain; limit_conn slots {slots}; }}
    server {{ listen 10.77.2.2:1008 ssl; ssl_verify_client on; proxy_pass plain; proxy_half_close on; }}
    server {{ listen 10.77.2.2:1009; proxy_pass $service:7000; }}
    server {{ listen 10.77.2.2:1010; proxy_pass 10.77.3.2:9000; proxy_ssl on; proxy_connect_timeout 1s; }}
    server {{ listen 10.77.2.2:1011; proxy_pass astray; proxy_connect_timeout 1s; }}
    server {{ listen 10.77.2.2:1053 udp; proxy_pass 10.77.3.2:7000; }}
}}
"""


class Running:
    """A service that runs, and what it tells about its sessions."""

    def __init__(self, space, name, address, pair):
        self.over, self.open = {}, set()
        with space:
            self.process = subprocess.Popen([sys.executable, HERE / "service.py", name, address, *pair],
                                            stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            if not line.endswith("\n"):
                return  # it was killed in the middle of it
            number, fate, *counts = line.split()
            if fate == "open":
                self.open.add(int(number))
            else:
                self.over[int(number)] = (fate, *map(int, counts))
                self.open.discard(int(number))

    def kill(self):
        """Ends it at a stroke."""
        self.process.kill()
        self.process.wait()
        self.thread.join()
        self.process.stdout.close()
        self.open.clear()


class Hosts:
    """The whole row."""

    def __init__(self, binary):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="faults-"))
        self.directory.chmod(0o755)
        self.pki = self.directory / "pki"
        self.pki.mkdir()
        self.of_a, self.of_b, self.of_services = (Authority(self.pki, name) for name in ("of-a", "of-b", "of-services"))
        self.of_a.issue("a", "a.fault.test", "termination.fault.test")
        self.of_b.issue("b", "b.fault.test")
        pair = self.of_services.issue("service", "service.fault.test", "passthrough.fault.test")

        self.spaces = clients, on_b, on_a, services = [Space() for _ in range(4)]
        self.wires = [Wire(left, right, number) for number, (left, right) in enumerate(zip(self.spaces, self.spaces[1:]), 1)]
        on_a.forward()
        on_b.ip("route add default via 10.77.2.2")
        services.ip(f"address add {TWO}/32 dev wire3")
        services.ip("route add default via 10.77.3.1")
        self.clients, self.behind, self.pair = clients, services, pair
        self.names = Names(services, ONE)
        self.names.answer = [ONE]
        self.services = {}
        for name in "12":
            self.serve(name)
        self.a = Gateway(binary, on_a, self.directory / "a", self.configuration(ON_A, "a"))
        self.b = Gateway(binary, on_b, self.directory / "b", self.configuration(ON_B, "b"))
        self.gateways = (self.a, self.b)

        def path(name, port, trusted=None):
            tls = ssl.create_default_context(cafile=trusted) if trusted else None
            return Path(name, ("10.77.1.2", port), tls, f"{name}.fault.test" if tls else None)

        self.passthrough = path("passthrough", 1000, self.of_services.certificate)
        self.termination = path("termination", 1000, self.of_a.certificate)
        self.origination, self.chain, self.plain = path("origination", 1003), path("chain", 1004), path("plain", 1005)
        self.around, self.limited, self.half = path("around A", 1006), path("limited", 1007), path("half-close", 1008)
        self.named, self.mute, self.astray = path("named", 1009), path("mute", 1010), path("astray", 1011)
        self.paths = (self.passthrough, self.termination, self.origination, self.chain, self.plain)
        self.datagrams = ("10.77.1.2", 1053)

    def configuration(self, text, name):
        return text.format(dir=self.directory / name, pki=self.pki, slots=SLOTS)

    def serve(self, name):
        """Starts service 1 or 2."""
        self.services[name] = Running(self.behind, name, {"1": ONE, "2": TWO}[name], self.pair)

    def mend(self):
        """Undoes what is broken on lines and at services."""
        for wire in self.wires:
            wire.become()
        for name, service in self.services.items():
            if service.process.poll() is not None:
                self.serve(name)

    def quiet(self, numbers=None):
        """Whether no service has a session left, or none of these."""
        left = set().union(*(service.open for service in self.services.values()))
        return not (left if numbers is None else left & numbers)

    def close(self):
        """Ends everything, and checks that the gateways end in order."""
        try:
            for gateway in self.gateways:
                gateway.stop()
        finally:
            for service in self.services.values():
                service.kill()
            for wire in self.wires:
                wire.close()
            for space in self.spaces:
                space.close()
            shutil.rmtree(self.directory)
