"""What sessions send: bytes that depend on the stream and on their place in it, so that a byte that is wrong, missing,
repeated or from elsewhere is noticed where it stands."""
import hashlib

BLOCK = 16384


class Stream:
    """A stream of bytes, and a place in it. Streams of different seeds are different everywhere."""

    def __init__(self, seed):
        self.seed, self.place = seed, 0
        self.index, self.block = None, b""

    def _ahead(self):
        """What comes next, up to the end of the block."""
        index, offset = divmod(self.place, BLOCK)
        if index != self.index:
            self.index, self.block = index, hashlib.shake_128(b"%d %d" % (self.seed, index)).digest(BLOCK)
        return memoryview(self.block)[offset:]

    def take(self, most):
        """The next bytes, at least one and at most `most`. The place moves."""
        data = self._ahead()[:most]
        self.place += len(data)
        return data

    def matches(self, data):
        """Whether these are the next bytes. The place moves as far as they are."""
        data = memoryview(data)
        while data:
            ahead = self._ahead()[:len(data)]
            if data[:len(ahead)] != ahead:
                return False
            self.place += len(ahead)
            data = data[len(ahead):]
        return True
