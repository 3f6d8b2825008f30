"""Load from wrk, which is written in C and keeps out of the servers' way, and servers to put it on."""

import collections
import contextlib
import http.client
import re
import subprocess
import time

Load = collections.namedtuple("Load", "per_second p50_ms p99_ms refused")


def wrk(url, script, *arguments, connections=16, seconds=4):
    """What one thread of wrk saw: answers a second without those that were no success, and how many such."""
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "--latency"]
    command += ["-s", str(script), url, "--", *[str(argument) for argument in arguments]]
    done = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def milliseconds(share):
        value, unit = re.search(rf"{share}%\s+([\d.]+)(us|ms|s|m)", done).groups()
        return float(value) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000}[unit]

    answers, took = re.search(r"(\d+) requests in ([\d.]+)s", done).groups()
    refused = int((re.search(r"Non-2xx or 3xx responses: (\d+)", done) or [0, 0])[1])
    # Who answered nothing at all is credited with one answer, so that there is a ratio.
    return Load(max(1, int(answers) - refused) / float(took), milliseconds(50), milliseconds(99), refused)


def wait_until(port, path, process, seconds=120):
    """Waits for a server of this machine to answer 200."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise RuntimeError("a server ended before it was ready")
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
            connection.request("GET", path)
            if connection.getresponse().status == 200:
                return
        time.sleep(0.2)
    raise RuntimeError("a server was not ready in time")
