"""One end of a session, of either side, on a socket that never blocks: it sends its stream as far as it may, checks what it
is sent byte by byte, and keeps what became of it. What it may send, and when it is done, its side says."""
import errno
import socket
import ssl
import time

from stream import Stream

#: What a session says at a time, bytes, when it waits for answers.
CHUNK = 512
#: Bytes asked for, or given, at once.
PIECE = 65536
#: Pieces until others have their turn.
TURN = 16
#: Seconds without any byte after which an end is taken to hang: longer than all of the gateways' timeouts together.
HANGS = 15
LINGER_NOT = b"\1\0\0\0\0\0\0\0"

#: What becomes of a session: all went well; an orderly end before that; the same within TLS without its word of goodbye; a reset;
#: nobody there; no way there; TLS says no; a byte that was not the right one; nothing at all.
DONE, ENDED, CUT, RESET, REFUSED, UNREACHABLE, TLS, WRONG, HUNG = (
    "done", "ended", "cut", "reset", "refused", "unreachable", "tls", "wrong", "hung")


def fate_of(error):
    """What an error means for a session."""
    if isinstance(error, ssl.SSLEOFError):
        return CUT
    if isinstance(error, ssl.SSLError):
        return TLS
    if isinstance(error, ConnectionRefusedError):
        return REFUSED
    if error.errno in (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH):
        return UNREACHABLE
    return RESET


class End:
    """What both sides have in common."""

    #: Whether what it may send depends on the time.
    paced = False

    def __init__(self, sock, tls=None, name=None):
        """`tls` is a context, `name` the server name that a client asks for."""
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self.tls, self.name = sock, tls, name
        self.out = self.into = None
        self.first, self.pending = b"", b""
        self.sent = self.received = 0
        self.heard_end = False
        self.fate = self.said = None
        self.began = self.moved = time.monotonic()
        self.ended = None

    def allowed(self):
        """How many bytes of its stream it may have sent by now."""
        raise NotImplementedError

    def complete(self):
        """Whether it has said and heard everything."""
        raise NotImplementedError

    def hear(self, data):
        """Takes what came."""
        if not self.into.matches(data):
            self.finish(WRONG, f"not what follows {self.into.place}")
        self.received += len(data)

    def streams(self, out, into):
        self.out, self.into = Stream(out), Stream(into)

    def finish(self, fate, said=None):
        if self.fate is None:
            self.fate, self.said, self.ended = fate, said, time.monotonic()
            if self.tls and fate == DONE:
                try:
                    self.sock.unwrap()
                except OSError:
                    pass  # it has said goodbye, and does not wait for the other
            self.sock.close()

    def reset(self):
        """Ends with a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        self.finish(RESET)

    def step(self):
        """Goes on as far as it can without waiting, or until others have to have their turn: then it is true."""
        try:
            if not self.ready():
                return False
            for _ in range(TURN):
                moved = self.read() | self.write()
                if self.fate is None and self.complete():
                    self.finish(DONE)
                if self.fate or not moved:
                    return False
                self.moved = time.monotonic()
            return True
        except OSError as error:
            self.finish(fate_of(error), str(error))
            return False

    def ready(self):
        """Whether it is connected and has shaken hands."""
        if self.tls and not isinstance(self.sock, ssl.SSLSocket):
            error = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if error:
                raise OSError(error, errno.errorcode[error])
            try:
                self.sock.getpeername()
            except OSError:
                return False
            self.sock = self.tls.wrap_socket(self.sock, server_side=self.name is None, server_hostname=self.name,
                                             do_handshake_on_connect=False, suppress_ragged_eofs=False)
            self.shaken = False
        if self.tls and not self.shaken:
            try:
                self.sock.do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return False
            self.shaken = True
        return True

    def read(self):
        if self.heard_end:
            return False
        try:
            data = self.sock.recv(PIECE)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        if data:
            self.hear(data)
        else:
            self.heard_end = True
            self.at_end()
        return True

    def at_end(self):
        """The other side has ended its stream."""
        self.finish(DONE if self.complete() else ENDED)

    def write(self):
        if not self.pending:
            self.pending = self.first
            self.first = b""
        if not self.pending and self.out is not None:
            most = min(self.allowed() - self.sent, PIECE)
            if most <= 0:
                return False
            self.pending = self.out.take(most)
            self.sent += len(self.pending)
        if self.fate or not self.pending:
            return False
        try:
            self.pending = self.pending[self.sock.send(self.pending):]
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return False
        return True
