"""A real cluster for tests: exeunt-coordinator and its mpirun pipelines on this machine, on free ports."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def children(pid: int) -> list[int]:
    """Every descendant of a process."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *children(int(child))]
    return found


def cpu_seconds(pids: list[int]) -> float:
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


class Cluster:
    """Context manager. Errors in starting print the end of the coordinator's log. `ca`: the certificate of one that serves
    HTTPS; `key`: the API key of this side."""

    def __init__(self, build: Path, model: str, *options: str, ca: Path | None = None, key: str = "") -> None:
        self.port = free_port()
        self.url = f"http{'s' if ca else ''}://127.0.0.1:{self.port}"
        self.tls = ssl.create_default_context(cafile=ca) if ca else None
        self.headers = {"authorization": f"Bearer {key}"} if key else {}
        self.log = tempfile.NamedTemporaryFile(mode="w+", prefix="exeunt-cluster-", suffix=".log", delete=False)
        command = [str(build / "coordinator" / "exeunt-coordinator"), "--model", model, "--port", str(self.port), *options]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)

    def __enter__(self) -> "Cluster":
        self.wait_ready()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            pids = children(self.process.pid)
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise AssertionError("the coordinator did not end within 60 s of SIGTERM")
            deadline = time.monotonic() + 20
            while any(Path(f"/proc/{pid}").exists() for pid in pids):
                assert time.monotonic() < deadline, "the coordinator left processes behind"
                time.sleep(0.1)
        os.unlink(self.log.name)

    def fail(self, message: str) -> None:
        tail = Path(self.log.name).read_text()[-4000:]
        print(tail, file=sys.stderr)
        raise AssertionError(message)

    def wait_ready(self, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while self.status("/readyz") != 200:
            if self.process.poll() is not None:
                self.fail(f"the coordinator ended with {self.process.returncode}")
            if time.monotonic() > deadline:
                self.fail("not ready in time")
            time.sleep(0.1)

    def open(self, path: str, body: bytes | None = None, timeout: float = 10) -> Any:
        request = urllib.request.Request(self.url + path, body, self.headers | {"content-type": "application/json"})
        return urllib.request.urlopen(request, timeout=timeout, context=self.tls)

    def status(self, path: str) -> int:
        """HTTP status of a GET; 0: no connection."""
        try:
            with self.open(path, timeout=5) as response:
                return response.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def get(self, path: str) -> Any:
        with self.open(path) as response:
            return json.load(response)

    def post(self, path: str, body: dict[str, Any], timeout: float = 120) -> tuple[int, Any]:
        try:
            with self.open(path, json.dumps(body).encode(), timeout) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def pids(self) -> list[int]:
        return [self.process.pid, *children(self.process.pid)]

    def workers(self) -> list[int]:
        return [pid for pid in self.pids() if Path(f"/proc/{pid}/comm").read_text().startswith("exeunt-worker")]

    def quiet(self, seconds: float = 30) -> dict[str, Any]:
        """Waits until nothing is open, and no stage holds anything but what prompts have left behind, and returns /v1/cluster
        as it then is."""
        deadline = time.monotonic() + seconds
        while True:
            view = self.get("/v1/cluster")
            held = [p["kv"]["pages_reserved"] + p["kv"]["backlog"] + p["open_sequences"] +
                    sum(abs(s["report"]["kv_pages_used"] - p["kv"]["pages_cached"]) + s["report"]["backlog_rows"] + s["report"]["open_sequences"]
                        for s in p["stages"] if "report" in s)
                    for p in view["pipelines"]]
            if not any(held) and view["requests"]["running"] == 0 and view["requests"]["waiting"] == 0:
                return view
            assert time.monotonic() < deadline, f"still held: {json.dumps(view)}"
            time.sleep(0.2)
