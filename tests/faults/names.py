"""A name server that can be told to change its mind, fail, or say nothing."""
import socket
import struct
import threading

from space import Space

#: Response codes (RFC 1035 section 4.1.1).
SERVFAIL, NXDOMAIN = 2, 3
TTL = 1


class Names:
    """Answers every question for an address with `answer`: a list of addresses, a response code, or None for silence."""

    def __init__(self, space: Space, address):
        with space:
            self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 53))
        self.answer, self.asked = None, 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            question, client = self.socket.recvfrom(4096)
            self.asked += 1
            answer = self.answer
            if answer is not None:
                self.socket.sendto(self.response(question, answer), client)

    @staticmethod
    def response(question, answer):
        end = question.index(b"\0", 12) + 5
        kind = struct.unpack("!H", question[end - 4:end - 2])[0]
        code = answer if isinstance(answer, int) else 0
        addresses = [] if code or kind != 1 else answer
        records = b"".join(struct.pack("!HHHIH", 0xC00C, 1, 1, TTL, 4) + socket.inet_aton(one) for one in addresses)
        header = struct.pack("!HHHHH", 0x8180 | code, 1, len(addresses), 0, 0)
        return question[:2] + header + question[12:end] + records
