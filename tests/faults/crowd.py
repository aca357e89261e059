"""Clients at their work, in a thread that lives in their namespace, while the test breaks things."""
import collections
import threading
import time

from client import FOREVER, Client
from end import DONE, HANGS
from loop import Loop

#: Seconds between two attempts of somebody who found nobody there.
AGAIN = 0.02


class Crowd:
    """Sessions of clients. Those that are over collect in `over`."""

    def __init__(self, space):
        self.space, self.loop = space, Loop()
        self.over, self.todo = [], collections.deque()
        self.ending, self.resetting, self.fault = False, False, None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.gone = False
        self.thread.start()

    def open(self, path, kind, up, down=None, pause=None, again=None):
        """Opens one session, and another of the sort `again` seconds after that is over."""
        self.todo.append((time.monotonic(), again, (path, kind, up, down, pause)))

    def usual(self, paths, talks=4):
        """Everyday traffic: on each path conversations that go on, quick ones, bulk, and clients that come and go."""
        for path in paths:
            for _ in range(talks):
                self.open(path, "talk", FOREVER, pause=0.03)
            self.open(path, "talk", 64 * 1024, again=0)
            self.open(path, "bulk", 768 * 1024, again=0)
            self.open(path, "talk", 1024, pause=0.01, again=0)

    def run(self):
        self.space.enter()
        try:
            while not self.gone:
                self.begin()
                for end in self.loop.turn():
                    self.ended(end)
                if self.resetting:
                    self.reset_all()
                if self.ending:
                    for end in self.loop.ends.values():
                        end.last()
                    self.gone = not self.todo and not self.loop.ends
        except Exception as error:
            self.fault = error
            raise

    def reset_all(self):
        for end in self.loop.ends.values():
            end.reset()
        self.resetting = False

    def begin(self):
        now = time.monotonic()
        for _ in range(len(self.todo)):
            when, again, what = self.todo.popleft()
            if when > now:
                self.todo.append((when, again, what))
                continue
            if again is not None and self.ending:
                continue
            end = Client(*what)
            end.again = again
            if end.fate is None:
                self.loop.add(end)
            else:
                self.ended(end)

    def ended(self, end):
        self.over.append(end)
        if end.again is not None and not self.ending:
            wait = max(end.again, 0 if end.fate == DONE else AGAIN)
            self.todo.append((time.monotonic() + wait, end.again, (end.path, end.kind, end.up, end.down, end.pause)))

    def now(self):
        """The sessions that are open."""
        return list(self.loop.ends.values())

    def served(self, count=1):
        """How many sessions are open to which a service has answered."""
        return sum(end.service is not None and end.received >= count for end in self.now())

    def reset(self):
        """Has all clients that are there now reset their sessions."""
        self.resetting = True

    def finish(self):
        """Has all come to an end, and gives the sessions that there have been."""
        self.ending = True
        self.thread.join(2 * HANGS)
        if self.fault or self.thread.is_alive():
            raise AssertionError(f"clients do not finish: {self.fault!r} {self.now()}")
        return self.over

    def close(self):
        """Drops everything that still goes on."""
        self.gone = True
        self.thread.join()
        for end in self.now():
            end.sock.close()
