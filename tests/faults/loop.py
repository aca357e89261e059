"""What drives the ends of many sessions in one thread."""
import select
import time

from end import HANGS, HUNG

#: Seconds between two looks at those that wait for a time rather than for the other side.
TICK = 0.02


class Loop:
    """Ends, and whatever else is waited for: callables by descriptor."""

    def __init__(self):
        self.epoll = select.epoll()
        self.ends, self.others, self.ready = {}, {}, set()
        self.next_tick = 0.0

    def add(self, end):
        end.fd = end.sock.fileno()
        self.ends[end.fd] = end
        self.epoll.register(end.fd, select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET)
        self.ready.add(end)

    def watch(self, fd, call):
        """Calls this whenever the descriptor is readable."""
        self.others[fd] = call
        self.epoll.register(fd, select.EPOLLIN)

    def turn(self):
        """Lets all go on that can, after a wait of at most a tick. Gives those that are over."""
        for fd, _ in self.epoll.poll(0 if self.ready else TICK):
            if fd in self.others:
                self.others[fd]()
            elif fd in self.ends:
                self.ready.add(self.ends[fd])
        now = time.monotonic()
        if now >= self.next_tick:
            self.next_tick = now + TICK
            for end in self.ends.values():
                if now - end.moved > HANGS:
                    end.finish(HUNG)
                if end.paced or end.fate:
                    self.ready.add(end)
        turning, self.ready = self.ready, set()
        over = []
        for end in turning:
            if end.fate is None and end.step():
                self.ready.add(end)
            if end.fate is not None:
                over.append(end)
                del self.ends[end.fd]
        return over
