"""That what is checked elsewhere would notice: what it takes for the right bytes, and what not."""
import unittest

from stream import BLOCK, Stream


class Streams(unittest.TestCase):
    def setUp(self):
        source = Stream(7)
        self.right = b"".join(bytes(source.take(BLOCK)) for _ in range(3))

    def pieces(self, data, size):
        stream = Stream(7)
        return all(stream.matches(data[at:at + size]) for at in range(0, len(data), size))

    def test_the_right_bytes_in_any_pieces(self):
        for size in (1, 1000, BLOCK - 1, BLOCK, 3 * BLOCK):
            self.assertTrue(self.pieces(self.right, size))

    def test_anything_else_is_noticed(self):
        for at in (0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK - 2):
            before, after = self.right[:at], self.right[at:]
            wrong = {"wrong": before + bytes([after[0] ^ 1]) + after[1:], "missing": before + after[1:],
                     "doubled": before + after[:1000] + after, "a block too few": before + self.right[at + BLOCK:],
                     "from elsewhere": before + bytes(Stream(8).take(100))}
            for name, data in wrong.items():
                with self.subTest(name, at=at):
                    # What ends before is a beginning of the right ones, which tells nothing.
                    self.assertTrue(not self.pieces(data, 1000) or self.right.startswith(data))
