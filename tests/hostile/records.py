"""Bytes of TLS made by hand: records, messages and hellos, right ones and wrong ones. Opens no sockets."""
import struct

ALERT, HANDSHAKE, DATA, CHANGE = 21, 22, 23, 20


def record(kind, body, version=0x0301, length=None):
    """A record; `length` lies about its size."""
    return struct.pack("!BHH", kind, version, len(body) if length is None else length) + body


def message(kind, body, length=None):
    """A handshake message; `length` lies about its size."""
    return bytes([kind]) + struct.pack("!I", len(body) if length is None else length)[1:] + body


def block(body, size=2, length=None):
    """A vector with its length before it."""
    return struct.pack("!Q", len(body) if length is None else length)[8 - size:] + body


def extension(kind, body, length=None):
    return struct.pack("!H", kind) + block(body, length=length)


def server_name(name):
    return extension(0, block(b"\0" + block(name)))


GROUPS = extension(10, block(struct.pack("!HH", 0x001D, 0x0017)))
SIGNATURES = extension(13, block(struct.pack("!HHH", 0x0403, 0x0804, 0x0401)))
POINTS = extension(11, block(b"\0", 1))
VERSIONS = extension(43, block(struct.pack("!H", 0x0304), 1))
KEY_SHARE = extension(51, block(struct.pack("!H", 0x001D) + block(bytes([9]) + bytes(range(31)))))
EXTENSIONS_12 = server_name(b"localhost") + GROUPS + SIGNATURES + POINTS
EXTENSIONS_13 = EXTENSIONS_12 + VERSIONS + KEY_SHARE
CIPHERS = struct.pack("!HHHH", 0x1301, 0xC02B, 0xC02F, 0x002F)


def hello_body(extensions=EXTENSIONS_13, ciphers=CIPHERS, session=bytes(32), compression=b"\0", version=0x0303):
    return struct.pack("!H", version) + bytes(range(32)) + block(session, 1) + block(ciphers) + block(compression, 1) + block(extensions)


def hello(**parts):
    """A whole ClientHello in one record."""
    return record(HANDSHAKE, message(1, hello_body(**parts)))


def alert(level=1, description=0):
    return record(ALERT, bytes([level, description]))


def sslv2_hello():
    """What clients of the nineties began with: a hello of SSLv2 that offers more."""
    ciphers = bytes([0, 0, 0x2F, 1, 0, 0x80, 0, 0, 0xFF])
    body = bytes([1, 3, 1]) + struct.pack("!HHH", len(ciphers), 0, 32) + ciphers + bytes(32)
    return struct.pack("!H", 0x8000 | len(body)) + body


def fragments(body, size):
    """A handshake message in records of `size` bytes each."""
    return b"".join(record(HANDSHAKE, body[at:at + size]) for at in range(0, len(body), size))


#: Name → bytes that begin a connection wrongly: each has to be turned away at once or when its time is over.
WRONG = {
    "nothing": b"",
    "one byte": b"\x16",
    "half a header": b"\x16\x03\x01",
    "zeros": bytes(4096),
    "ones": b"\xff" * 4096,
    "http": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.9\r\n",
    "an SSLv2 hello": sslv2_hello(),
    "an SSLv2 hello cut short": sslv2_hello()[:11],
    "an empty record": record(HANDSHAKE, b""),
    "a thousand empty records": record(HANDSHAKE, b"") * 1000,
    "a record of 2^14+257 bytes": record(HANDSHAKE, bytes(2**14 + 257)),
    "a record of 65535 bytes": record(HANDSHAKE, b"\1" * 65535),
    "a record longer than it says": record(HANDSHAKE, message(1, hello_body()), length=10),
    "a record shorter than it says": record(HANDSHAKE, message(1, hello_body()), length=2**14),
    "version 0": record(HANDSHAKE, message(1, hello_body()), version=0),
    "version ffff": record(HANDSHAKE, message(1, hello_body()), version=0xFFFF),
    "an unknown kind of record": record(99, b"x" * 64),
    "an alert before the hello": alert(1, 0) + alert(1, 90),
    "a thousand alerts before the hello": alert(1, 90) * 1000,
    "a fatal alert": alert(2, 40),
    "an alert of one byte": record(ALERT, b"\1"),
    "an alert of three bytes": record(ALERT, b"\1\0\0"),
    "data before the hello": record(DATA, b"hello"),
    "a change of ciphers first": record(CHANGE, b"\1") + hello(),
    "a thousand changes of ciphers": record(CHANGE, b"\1") * 1000,
    "a message of 16 MiB": record(HANDSHAKE, message(1, b"x" * 64, length=2**24 - 1)),
    "a hello that never ends": fragments(message(1, b"x" * 200_000, length=2**24 - 1), 16384),
    "an empty hello": record(HANDSHAKE, message(1, b"")),
    "a Finished first": record(HANDSHAKE, message(20, bytes(12))),
    "a ServerHello": record(HANDSHAKE, message(2, hello_body())),
    "a HelloRequest": record(HANDSHAKE, message(0, b"")),
    "a KeyUpdate first": record(HANDSHAKE, message(24, b"\1")),
    "no ciphers": hello(ciphers=b""),
    "an odd number of bytes of ciphers": hello(ciphers=CIPHERS + b"\0"),
    "no compression": hello(compression=b""),
    "a session id of 255 bytes": hello(session=bytes(255)),
    "the same extension twice": hello(extensions=EXTENSIONS_12 + GROUPS),
    "ten thousand extensions": fragments(message(1, hello_body(extensions=b"".join(extension(20000 + n, b"") for n in range(10_000)))), 16384),
    "an extension longer than the rest": hello(extensions=EXTENSIONS_12 + extension(0x5555, b"x", length=60000)),
    "an empty name": hello(extensions=server_name(b"") + GROUPS + SIGNATURES),
    "a name with a zero in it": hello(extensions=server_name(b"local\0host") + GROUPS + SIGNATURES),
    "a name of 60000 bytes": fragments(message(1, hello_body(extensions=server_name(b"a" * 60000) + GROUPS + SIGNATURES)), 16384),
    "a name longer than its list": hello(extensions=extension(0, block(b"\0" + block(b"localhost", length=500))) + GROUPS),
    "a list of no names": hello(extensions=extension(0, block(b"")) + GROUPS + SIGNATURES),
    "an empty ALPN": hello(extensions=EXTENSIONS_12 + extension(16, block(b""))),
    "an ALPN of an empty protocol": hello(extensions=EXTENSIONS_12 + extension(16, block(block(b"", 1)))),
    "a key share of no bytes": hello(extensions=EXTENSIONS_12 + VERSIONS + extension(51, block(struct.pack("!H", 29) + block(b"")))),
    "a key share of zeros": hello(extensions=EXTENSIONS_12 + VERSIONS + extension(51, block(struct.pack("!H", 29) + block(bytes(32))))),
    "a key share off the curve": hello(extensions=EXTENSIONS_12 + VERSIONS + extension(51, block(struct.pack("!H", 23) + block(b"\4" + b"\7" * 64)))),
    "a ticket of rubbish": hello(extensions=EXTENSIONS_12 + extension(35, b"\x5a" * 200)),
    "a PSK that is not last": hello(extensions=EXTENSIONS_12 + VERSIONS + extension(41, block(block(b"x") + bytes(4)) + block(block(bytes(32), 1))) + KEY_SHARE),
    "a PSK of rubbish": hello(extensions=EXTENSIONS_13 + extension(45, block(b"\1", 1)) + extension(41, block(block(b"\x5a" * 200) + bytes(4)) + block(block(bytes(32), 1)))),
    "early data that nobody allowed": hello(extensions=EXTENSIONS_13 + extension(42, b"")) + record(DATA, b"x" * 16000) * 4,
    "a heartbeat": record(24, b"\1\x40\0"),
    "two hellos": hello() + hello(),
    "a hello and rubbish": hello() + bytes(70_000),
}
