"""Which figures PERFORMANCE.md shows, what they are called there, and what Lockgate aims at."""
import dataclasses


@dataclasses.dataclass
class Row:
    workload: str
    title: str
    figure: str
    ratio: float = None     # to nginx, at most
    most: float = None      # the figure itself, at most


CONTESTANTS = ["nginx", "nginx-debian", "haproxy", "haproxy-splice", "envoy", "lockgate"]
NAMES = {"nginx": "nginx", "nginx-debian": "nginx, Debian's", "haproxy": "HAProxy", "haproxy-splice": "HAProxy, splicing",
         "envoy": "Envoy", "lockgate": "Lockgate"}

BULK, EACH, IDLE = "CPU s/GiB", "CPU µs each", "bytes each"

MAIN = [
    Row("W1-down-16", "passthrough bulk down, 16 connections, CPU s/GiB", BULK, 0.25),
    Row("W1-up-16", "the same up", BULK, 0.25),
    Row("W1-down-1", "passthrough bulk down, 1 connection, CPU s/GiB", BULK, 0.35),
    Row("W1-up-1", "the same up", BULK, 0.35),
    Row("W2", "passthrough connection with 100 bytes back, CPU µs", EACH, 0.94),
    Row("W3-ec", "TLS 1.3 handshake, ECDSA, CPU µs", EACH, 0.60),
    Row("W3-rsa", "the same, RSA-2048", EACH, 0.80),
    Row("W3-resume", "the same, resumed by a ticket", EACH, 0.70),
    Row("W3-mtls", "the same, ECDSA, with a client certificate", EACH, 0.30),
    Row("W4-down-16", "TLS termination bulk down, 16 connections, CPU s/GiB", BULK, 0.40),
    Row("W4-up-16", "the same up", BULK, 0.60),
    Row("W5-full", "TLS towards the upstream, full handshake, CPU µs", EACH, 0.45),
    Row("W5-reuse", "the same, sessions reused", EACH, 0.75),
    Row("W5-down-16", "TLS towards the upstream, bulk down, 16 connections, CPU s/GiB", BULK, 0.60),
    Row("W5-up-16", "the same up", BULK, 0.60),
    Row("W6-pass-10k", "idle passthrough, bytes per connection", IDLE, most=1536),
    Row("W6-tls-10k", "idle TLS, bytes per connection", IDLE, most=8192),
    Row("W7", "UDP echo, CPU µs per round trip", EACH, 0.75),
    Row("W7-fresh", "UDP, a new session for each datagram, CPU µs", EACH, 0.80),
    Row("W8-1M", "a map of 1,000,000 names: start, s", "start, s", 0.25),
    Row("W8-1M", "the same: peak memory, MiB", "peak, MiB", 0.60),
    Row("W9", "one byte there and back, p50, µs", "p50, µs", 1.0),
    Row("W9", "the same, p99, µs", "p99, µs", 1.0),
    Row("W9-beside", "the same beside 16 bulk connections, p99, µs", "p99, µs"),
    Row("W9-beside-tls", "the same by TLS, beside 16 bulk connections up, p99, µs", "p99, µs"),
    Row("W10-churn", "20 reloads, 20 connections opened before each: memory grown, MiB", "grown, MiB"),
]

# Of a chart with a bar for each: what is short enough for its left side.
BARS = [
    ("passthrough bulk, down", "W1-down-16", BULK), ("passthrough bulk, up", "W1-up-16", BULK),
    ("passthrough connection", "W2", EACH), ("handshake, ECDSA", "W3-ec", EACH), ("handshake, RSA-2048", "W3-rsa", EACH),
    ("handshake, resumed", "W3-resume", EACH), ("handshake, client certificate", "W3-mtls", EACH),
    ("TLS bulk, down", "W4-down-16", BULK), ("TLS bulk, up", "W4-up-16", BULK),
    ("to upstream: handshake", "W5-full", EACH), ("to upstream: sessions reused", "W5-reuse", EACH),
    ("to upstream: bulk, down", "W5-down-16", BULK), ("to upstream: bulk, up", "W5-up-16", BULK),
    ("idle passthrough, memory", "W6-pass-10k", IDLE), ("idle TLS, memory", "W6-tls-10k", IDLE),
    ("UDP round trip", "W7", EACH), ("UDP, fresh sessions", "W7-fresh", EACH),
    ("1,000,000 names: start", "W8-1M", "start, s"), ("1,000,000 names: memory", "W8-1M", "peak, MiB"),
    ("added latency, p50", "W9", "p50, µs"), ("latency beside bulk, p99", "W9-beside", "p99, µs"),
]


@dataclasses.dataclass
class Curve:
    title: str
    of: str                 # what the abscissa counts
    figure: str
    points: dict            # abscissa: workload
    times: bool = False     # the figure is for each of them: multiply
    plus: str = ""          # and a figure that comes on top


def _points(pattern, *sizes):
    from .workloads import short
    return {size: pattern.format(short(size)) for size in sizes}


NAMES_OF_MAP = _points("W8-{}", 1000, 10_000, 100_000, 1_000_000)
CERTIFICATES = _points("W12-servers-{}", 10, 100, 1000, 10_000)
BY_VARIABLE = _points("W12-variable-{}", 10, 100, 1000, 10_000)

CURVES = [
    Curve("Start, s", "names in a map", "start, s", NAMES_OF_MAP),
    Curve("Peak memory, MiB", "names in a map", "peak, MiB", NAMES_OF_MAP),
    Curve("CPU µs per connection", "names in a map", EACH, NAMES_OF_MAP),
    Curve("Start, s", "certificates of servers", "start, s", CERTIFICATES),
    Curve("Memory, MiB", "certificates of servers", "memory, MiB", CERTIFICATES),
    Curve("CPU µs per handshake", "certificates of servers", EACH, CERTIFICATES),
    Curve("Memory, MiB", "certificates by variable", "memory, MiB", BY_VARIABLE),
    Curve("CPU µs per handshake", "certificates by variable", EACH, BY_VARIABLE),
    Curve("Memory of idle passthrough, MiB", "connections", IDLE, _points("W6-pass-{}", 1000, 10_000), True, "empty, MiB"),
    Curve("Memory of idle TLS, MiB", "connections", IDLE, _points("W6-tls-{}", 1000, 10_000), True, "empty, MiB"),
]

# (title, workload without the number of workers, figure)
WORKERS = [
    ("TLS handshakes with RSA-4096 each second", "W11-rsa", "each second"),
    ("the same, CPU µs each", "W11-rsa", EACH),
    ("passthrough connections each second", "W11-conn", "each second"),
    ("the same, CPU µs each", "W11-conn", EACH),
    ("passthrough bulk down, GiB/s", "W11-bulk", "GiB/s"),
    ("the same, CPU s/GiB", "W11-bulk", BULK),
]
