"""A flood, as a process of its own: clients that send half a hello and wait, and others whose handshakes fail. Run with
port, number of the first, and how many of the others a second; says "there" when the first are there, and ends when its
standard input does."""
import resource
import select
import socket
import sys
import time

import records


def half_open(port, hello):
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    client.sendall(hello[:len(hello) // 2])
    return client


def fail(port, hello):
    """Has the gateway do all the work of a handshake, and ends it with what is none."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as client:
        client.sendall(hello)
        client.recv(65536)
        client.sendall(b"\x16\x03\x03\x00\x04junk")
        try:
            while client.recv(65536):
                pass
        except ConnectionError:
            pass


def main(port, waiting, rate):
    most = waiting + 512
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, max(most, hard) if hard != resource.RLIM_INFINITY else hard))
    hello = records.hello()
    clients = {}
    poller = select.epoll()

    def add():
        client = half_open(port, hello)
        clients[client.fileno()] = client
        poller.register(client, select.EPOLLIN | select.EPOLLHUP | select.EPOLLET)

    for _ in range(waiting):
        add()
    print("there", flush=True)
    start, failed = time.monotonic(), 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        while failed < (time.monotonic() - start) * rate:
            fail(port, hello)
            failed += 1
        for number, _ in poller.poll(0.002):
            # Whom the gateway has turned away comes again.
            poller.unregister(number)
            clients.pop(number).close()
            add()
    print(f"{failed / (time.monotonic() - start):.0f} {len(clients)}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
