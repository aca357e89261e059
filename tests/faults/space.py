"""Network namespaces. They have no names: each is gone with the last descriptor and process in it, however the tests end."""
import ctypes
import os
import pathlib
import subprocess

NEW_NET = 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def _call(function, *arguments):
    if function(*arguments) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def _here():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


class Space:
    """A namespace. Sockets that a thread makes and programs that it starts within `with space:` are inside."""

    def __init__(self):
        outside = _here()
        _call(libc.unshare, NEW_NET)
        self.fd = _here()
        _call(libc.setns, outside, NEW_NET)
        os.close(outside)
        self.outside = []
        self.ip("link set lo up")

    def __enter__(self):
        self.outside.append(_here())
        _call(libc.setns, self.fd, NEW_NET)

    def __exit__(self, *_):
        outside = self.outside.pop()
        _call(libc.setns, outside, NEW_NET)
        os.close(outside)

    def enter(self):
        """Moves the calling thread in for good."""
        _call(libc.setns, self.fd, NEW_NET)

    def ip(self, words):
        with self:
            subprocess.run(["ip", *words.split()], check=True)

    def forward(self):
        """Has it pass on packets between its links."""
        with self:
            pathlib.Path("/proc/sys/net/ipv4/ip_forward").write_text("1")

    def pids(self):
        """The processes inside, the tests' own left out."""
        net, found = os.fstat(self.fd).st_ino, []
        for name in os.listdir("/proc"):
            try:
                if name.isdigit() and os.stat(f"/proc/{name}/ns/net").st_ino == net:
                    found.append(int(name))
            except OSError:
                pass  # it has just ended
        return sorted(found)

    def close(self):
        os.close(self.fd)
