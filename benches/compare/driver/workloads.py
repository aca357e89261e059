"""What the contestants are compared at: one `Workload` for each row of the tables."""
import dataclasses

from .surroundings import open_files

GIB = 1 << 30
AUTHORITY = ["--ca", "{certs}/ca.crt"]
BACKEND_TLS = ["--backend-cert", "{certs}/ec.crt", "--backend-key", "{certs}/ec.key"]


@dataclasses.dataclass
class Workload:
    id: str
    title: str
    mode: str               # pass, term, orig, udp, map or certs: what the gateway does
    generator: list         # words for lockgate-load
    unit: str               # GiB, conn, rtt, idle, ping, beside or reload: what is counted
    units: float            # how many of them
    tuned: bool = False     # also by contestants with other than default settings
    workers: int = 1
    reuseport: bool = False
    cert: str = "ec"
    mtls: bool = False
    resume: bool = False
    fresh_sessions: bool = False
    fresh: bool = False
    names: int = 0
    by: str = ""            # certificates by `variable` or by `servers`
    reloads: int = 0
    churn: int = 0
    small: list = ()        # words for a second generator beside the first

    @property
    def idle(self):
        return self.unit == "idle"

    @property
    def repeatable(self):
        """Whether a gateway that has done it can do it again, while others are there too."""
        return self.unit in ("conn", "rtt", "ping") and self.workers == 1

    def connections(self):
        """Connections that the gateway must be able to hold, both sides counted."""
        return open_files() - 200 if self.idle else 8192 if self.reloads else 4096


def short(number):
    return f"{number // 1_000_000}M" if number >= 1_000_000 else f"{number // 1000}k" if number >= 1000 else str(number)


class Workloads:
    """All of them, at this share of the full amount of work."""

    def __init__(self, scale=1.0):
        self.scale, self.all = scale, []
        self.bulk("W1", "passthrough", "pass", "hello", 2 * GIB, tuned=True)
        self.conns("W2", "passthrough connection, 100 bytes back", "pass", "hello", 20000, 100)
        self.handshakes()
        self.bulk("W4", "TLS termination", "term", "tls", GIB)
        self.origination()
        for count in (1000, 10000):
            self.idle(f"W6-pass-{short(count)}", "idle passthrough", "pass", "hello", count)
            self.idle(f"W6-tls-{short(count)}", "idle TLS", "term", "tls", count)
        self.udp()
        for count in (1000, 10_000, 100_000, 1_000_000):
            self.conns(f"W8-{short(count)}", f"map of {count:,} names", "map", "hello", 10000, 100,
                       ["--names", str(count)], names=count)
        self.latency()
        self.reload()
        for workers in (1, 2):
            self.scaling(workers)
        for by, sizes in (("servers", (10, 100, 1000, 10000)), ("variable", (10, 100, 1000, 10000))):
            for count in sizes:
                self.conns(f"W12-{by}-{short(count)}", f"{count:,} certificates by {by}", "certs", "tls", 2000, 100,
                           [*AUTHORITY, "--names", str(count)], names=count, by=by)

    def part(self, full, least=1):
        return max(least, int(full * self.scale))

    def add(self, *what, **more):
        self.all.append(Workload(*what, **more))

    def bulk(self, id, title, mode, front, total, ways=("down", "up"), counts=(1, 16), **more):
        words = AUTHORITY if front == "tls" else []
        for way in ways:
            for count in counts:
                each = self.part(total) // count
                self.add(f"{id}-{way}-{count}", f"{title} bulk {way}, {count} connection{'s' * (count > 1)}", mode,
                         ["gen", "--kind", way, "--front", front, "--bytes", str(each), "--at-once", str(count),
                          "--count", str(count), "--warm", str(count), *words], "GiB", each * count / GIB, **more)

    def conns(self, id, title, mode, front, count, reply=1, words=(), **more):
        count = self.part(count, 100)
        self.add(id, title, mode,
                 ["gen", "--kind", "conns", "--front", front, "--bytes", str(reply), "--at-once", "64",
                  "--count", str(count), "--warm", str(min(500, count)), *words], "conn", count, **more)

    def handshakes(self):
        tls = "TLS 1.3 handshake, "
        self.conns("W3-ec", tls + "ECDSA P-256", "term", "tls", 5000, words=AUTHORITY)
        self.conns("W3-rsa", tls + "RSA-2048", "term", "tls", 3000, words=AUTHORITY, cert="rsa")
        self.conns("W3-resume", tls + "resumed by a ticket", "term", "tls", 5000, words=[*AUTHORITY, "--resume"],
                   resume=True)
        self.conns("W3-mtls", tls + "ECDSA, client certificate", "term", "tls", 4000, mtls=True,
                   words=[*AUTHORITY, "--cert", "{certs}/client.crt", "--key", "{certs}/client.key"])

    def origination(self):
        self.conns("W5-full", "TLS towards the upstream, full handshakes", "orig", "plain", 4000, words=BACKEND_TLS,
                   fresh_sessions=True)
        self.conns("W5-reuse", "TLS towards the upstream, sessions reused", "orig", "plain", 5000, words=BACKEND_TLS)
        for way in ("down", "up"):
            for count in (1, 16):
                each = self.part(GIB) // count
                self.add(f"W5-{way}-{count}", f"TLS towards the upstream, bulk {way}, {count} connection{'s' * (count > 1)}",
                         "orig", ["gen", "--kind", way, "--front", "plain", "--bytes", str(each), "--at-once",
                                  str(count), "--count", str(count), "--warm", str(count), *BACKEND_TLS],
                         "GiB", each * count / GIB)

    def idle(self, id, title, mode, front, count):
        count = min(self.part(count, 100), (open_files() - 600) // 2)   # the generator holds clients and backends
        self.add(id, f"{title}, {count:,} connections", mode,
                 ["gen", "--kind", "idle", "--front", front, "--bytes", "1", "--at-once", "64", "--count", str(count),
                  "--warm", "100", *(AUTHORITY if front == "tls" else [])], "idle", count)

    def udp(self):
        count = self.part(200_000, 1000)
        self.add("W7", "UDP echo, 64 bytes, 100 clients", "udp",
                 ["udp", "--sockets", "100", "--size", "64", "--count", str(count), "--warm", "2000"], "rtt", count)
        count = self.part(20_000, 1000)
        self.add("W7-fresh", "UDP, a new session for each datagram", "udp",
                 ["udp", "--sockets", "64", "--size", "64", "--count", str(count), "--warm", "500", "--fresh"],
                 "rtt", count, fresh=True)

    def latency(self):
        count = self.part(20_000, 100)
        ping = ["gen", "--kind", "ping", "--front", "hello", "--rounds", str(count), "--warm", "1000"]
        self.add("W9", "one byte there and back", "pass", ping, "ping", count)
        count = self.part(500, 100)
        for id, mode, way, front, title in (("W9-beside", "pass", "down", ["hello"], "bulk connections"),
                                            ("W9-beside-tls", "term", "up", ["tls", *AUTHORITY], "connections of TLS bulk up")):
            ping = ["gen", "--kind", "ping", "--front", *front, "--rounds", str(count), "--warm", "50", "--name", "small.test"]
            self.add(id, f"one byte there and back beside 16 {title}", mode,
                     ["gen", "--kind", way, "--front", *front, "--bytes", str(1 << 50), "--at-once", "16", "--count", "16",
                      "--endless"], "beside", count, small=ping, cert="two")

    def reload(self):
        count = self.part(1000, 50)
        for id, churn, more in (("W10", 0, ""), ("W10-churn", 20, ", 20 opened before each")):
            self.add(id, f"20 reloads under {count:,} echoing connections{more}", "pass",
                     ["gen", "--kind", "echo", "--front", "hello", "--count", str(count), "--at-once", "64",
                      "--warm", "100", "--gap-ms", "100", "--probe-ms", "5"], "reload", count, reloads=20, churn=churn)

    def scaling(self, workers):
        many = f"{workers} worker{'s' * (workers > 1)}"
        shape = {"workers": workers, "reuseport": True}
        self.conns(f"W11-rsa-{workers}", f"TLS 1.3 handshake, RSA-4096, {many}", "term", "tls", 1500, words=AUTHORITY,
                   cert="rsa4096", **shape)
        self.conns(f"W11-conn-{workers}", f"passthrough connection, {many}", "pass", "hello", 20000, 100, **shape)
        each = self.part(2 * GIB) // 16
        self.add(f"W11-bulk-{workers}", f"passthrough bulk down, 16 connections, {many}", "pass",
                 ["gen", "--kind", "down", "--front", "hello", "--bytes", str(each), "--at-once", "16", "--count", "16",
                  "--warm", "16"], "GiB", each * 16 / GIB, **shape)


def chosen(scale, prefixes):
    """The workloads whose names are given, or begin so."""
    everything = Workloads(scale).all
    if not prefixes:
        return everything
    return [w for w in everything if any(w.id == p or w.id.startswith(p + "-") for p in prefixes)]
