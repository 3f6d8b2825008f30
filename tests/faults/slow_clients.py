"""A thousand half-open and slow clients, and one who has done nothing."""

import contextlib
import http.client
import os
import socket
import subprocess
import tempfile
import time

HALF_OPEN = 400  # Send the beginning of a request and then nothing.
SLOW_SENDERS = 300  # A byte now and then.
SLOW_READERS = 300  # Ask for much and read nothing.
ASKED = 1000


def innocent(port):
    """The times of requests one after the other, sorted, in ms; each is answered."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    times = []
    for _ in range(ASKED):
        begin = time.perf_counter()
        connection.request("GET", "/healthz")
        reply = connection.getresponse()
        reply.read()
        times.append((time.perf_counter() - begin) * 1000)
        assert reply.status == 200
    connection.close()
    return sorted(times)


def attackers(port):
    """The sockets of all that harm."""
    sockets = []
    for number in range(HALF_OPEN + SLOW_SENDERS + SLOW_READERS):
        client = socket.socket()
        if number >= HALF_OPEN + SLOW_SENDERS:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        client.connect(("127.0.0.1", port))
        if number < HALF_OPEN:
            client.sendall(b"POST /api/2.0/mlflow/runs/create HTTP/1.1\r\nHost: localhost\r\nContent-Le")
        elif number < HALF_OPEN + SLOW_SENDERS:
            client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        else:
            client.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        sockets.append(client)
    return sockets


def memory(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:")) / 1024


def harm(port, pid, demand):
    innocent(port)  # Everything is warm.
    before = innocent(port)
    memory_before = memory(pid)
    sockets = attackers(port)
    demand(len(sockets) == 1000, "the clients could not connect")
    for client in sockets[HALF_OPEN : HALF_OPEN + SLOW_SENDERS]:
        client.sendall(b"x")
    during = innocent(port)
    grown = memory(pid) - memory_before
    for client in sockets:
        client.close()
    p50, p99 = ASKED // 2, ASKED * 99 // 100
    print(
        f"     1,000 half-open and slow clients: p50 {before[p50]:.2f} -> {during[p50]:.2f} ms "
        f"({during[p50] / before[p50]:.2f}x), p99 {before[p99]:.2f} -> {during[p99]:.2f} ms "
        f"({during[p99] / before[p99]:.2f}x), memory +{grown:.0f} MiB"
    )
    # The median: the hundredth of a busy machine is the machine's.
    demand(during[p50] < 2 * before[p50], "an innocent request took twice as long")
    demand(grown < 64, f"the server grew by {grown:.0f} MiB")
    deadline = time.monotonic() + 30
    while len(os.listdir(f"/proc/{pid}/fd")) > 200 and time.monotonic() < deadline:
        time.sleep(0.1)
    demand(len(os.listdir(f"/proc/{pid}/fd")) <= 200, "connections that are over still have descriptors")


def run(program, demand):
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [program, "serve", "--home", "home", "--port", "0"], cwd=folder, stdout=subprocess.PIPE, text=True
        )
        try:
            port = int(server.stdout.readline().rsplit(":", 1)[1])
            harm(port, server.pid, demand)
            server.terminate()
            demand(server.wait(timeout=60) == 0, f"the server ended with {server.returncode}")
        finally:
            with contextlib.suppress(ProcessLookupError):
                server.kill()
            server.wait()
            server.stdout.close()
