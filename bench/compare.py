"""Runs Exeunt and llama.cpp in turns on the same cores and prints their rates as a Markdown table.

compare.sh builds what this needs and calls it. Each sample is a process of its own, and a round takes one sample of
every row and engine, so that a slow minute of the machine meets all of them.
"""

import argparse
import contextlib
import datetime
import json
import os
import resource
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 900
ISA_FLAGS = ("avx2", "f16c", "avx512f", "avx512bw", "avx_vnni", "avx512_vnni", "amx_int8")
OURS, LLAMA_Q4_1, LLAMA_Q4_0 = ENGINES = ("Exeunt", "llama.cpp Q4_1", "llama.cpp Q4_0")


@dataclass(frozen=True)
class Row:
    """A line of the table: a workload, and how many times llama.cpp's rate ours has to be."""

    title: str
    group: str
    workload: str
    threads: int  # of each stage
    stages: int
    required_q4_1: float
    required_q4_0: float

    @property
    def cores(self) -> list[int]:
        return list(range(self.threads * self.stages))


@dataclass
class Samples:
    rates: dict[str, list[float]] = field(default_factory=lambda: {engine: [] for engine in ENGINES})
    other_load: float = 0.0  # the most of one core that other processes took during a sample


class RunError(Exception):
    """A command failed, or reported something else than it was asked for."""


def rows(vnni: bool) -> list[Row]:
    """The comparison's rows; the wanted lead over Q4_1 in batches is larger where there is AVX-512 VNNI."""
    batched = 5.0 if vnni else 4.0
    result: list[Row] = []
    for threads in (1, 2):
        result.append(Row("decode, 1 stream", "decode", "decode:1", threads, 1, 2.0, 1.3))
    for threads in (1, 2):
        result.append(Row("decode, 32 streams", "decode", "decode:32", threads, 1, batched, 1.8))
    for threads in (1, 2):
        result.append(Row("prefill, 512 tokens", "prefill", "prefill:512", threads, 1, batched, 1.5))
    result.append(Row("2 stages, 16 streams", "pipeline", "decode:16", 1, 2, 5.0, 3.0))
    return result


def cpu_info(key: str) -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return "unknown"


def busy_seconds(cores: list[int]) -> float:
    """Time that these cores did not idle since the machine started (user, nice, system, irq, softirq, steal)."""
    ticks = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *values = line.split()
        if name in {f"cpu{core}" for core in cores}:
            ticks += sum(int(values[i]) for i in (0, 1, 2, 5, 6, 7))
    return ticks / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run(command: list[str], row: Row) -> float:
    """The rate that the command reports for the row's workload."""
    pinned = ["taskset", "-c", ",".join(map(str, row.cores)), *command]
    try:
        done = subprocess.run(pinned, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise RunError(f"took over {TIMEOUT_S} s: {' '.join(pinned)}") from error
    if done.returncode != 0:
        raise RunError(f"exit status {done.returncode}: {' '.join(pinned)}\n{done.stderr[-2000:]}")
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            report = json.loads(line)
            if (report["workload"], report["threads"]) != (row.workload, row.threads):
                raise RunError(f"reported another workload or thread count: {line}\n{' '.join(pinned)}")
            if report["stages"] != row.stages or not report["tokens_per_second"] > 0:
                raise RunError(f"reported no rate, or not of {row.stages} stages: {line}\n{' '.join(pinned)}")
            return float(report["tokens_per_second"])
    raise RunError(f"reported nothing: {' '.join(pinned)}")


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def wait_for_port(server: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise RunError(f"llama.cpp's RPC server does not listen on port {port}")


@contextlib.contextmanager
def rpc_servers(driver: str, row: Row) -> Iterator[list[str]]:
    """A server per stage, on the row's cores; their endpoints. They end with the block."""
    cores = ",".join(map(str, row.cores))
    servers: list[subprocess.Popen[bytes]] = []
    ports = free_ports(row.stages)
    try:
        for port in ports:
            command = ["taskset", "-c", cores, driver, "--serve", str(port), "--threads", str(row.threads)]
            servers.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        for server, port in zip(servers, ports, strict=True):
            wait_for_port(server, port)
        yield [f"127.0.0.1:{port}" for port in ports]
    finally:
        for server in servers:
            server.kill()
            server.wait()


def sample_ours(options: argparse.Namespace, row: Row) -> float:
    command = [str(ROOT / "tests/mpirun.sh"), str(row.stages), options.exeunt, "bench", options.model]
    return run([*command, "--threads", str(row.threads), "--workload", row.workload, "--json"], row)


def sample_llama(options: argparse.Namespace, row: Row, model: str) -> float:
    command = [options.driver, "--model", model, "--threads", str(row.threads), "--workload", row.workload]
    if row.stages == 1:
        return run(command, row)
    # Its stages overlap only over micro-batches, which does not always pay: the better of one and of one per stage.
    streams = int(row.workload.partition(":")[2])
    with rpc_servers(options.driver, row) as endpoints:
        command += ["--rpc", ",".join(endpoints), "--ubatch"]
        return max(run([*command, str(streams // parts)], row) for parts in (1, row.stages))


def take_sample(options: argparse.Namespace, row: Row, engine: str, samples: Samples) -> None:
    start, busy, own = time.monotonic(), busy_seconds(row.cores), own_seconds()
    if engine == OURS:
        rate = sample_ours(options, row)
    else:
        rate = sample_llama(options, row, options.model if engine == LLAMA_Q4_1 else options.q4_0)
    other = busy_seconds(row.cores) - busy - (own_seconds() - own)
    load = max(0.0, other / (time.monotonic() - start))
    samples.rates[engine].append(rate)
    samples.other_load = max(samples.other_load, load)
    where = f"{row.title}, {row.threads} threads, {engine}"
    print(f"compare: {where}: {rate:.1f} tok/s, others {load:.0%}", file=sys.stderr)


def line(row: Row, samples: Samples) -> tuple[str, bool]:
    """The row in Markdown, and whether it has the required ratios."""
    ours, q4_1, q4_0 = (statistics.median(samples.rates[engine]) for engine in ENGINES)
    spread = {engine: f"{min(rates):.0f}-{max(rates):.0f}" for engine, rates in samples.rates.items()}
    ok = ours / q4_1 >= row.required_q4_1 and ours / q4_0 >= row.required_q4_0
    cells = [
        row.title,
        str(row.threads),
        f"{ours:.1f} ({spread[OURS]})",
        f"{q4_1:.1f} ({spread[LLAMA_Q4_1]})",
        f"{ours / q4_1:.2f}",
        f"{q4_0:.1f} ({spread[LLAMA_Q4_0]})",
        f"{ours / q4_0:.2f}",
        f"{row.required_q4_1:g} / {row.required_q4_0:g}",
        "ok" if ok else "MISSED",
        f"{samples.other_load:.0%}",
    ]
    return "| " + " | ".join(cells) + " |", ok


def compared_with(driver: str) -> str:
    """How build_llama.sh built the library: on a CPU with AMX, without llama.cpp's AMX kernels."""
    return Path(driver).with_name("note").read_text(encoding="utf-8").strip()


def heading(options: argparse.Namespace) -> str:
    git = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
    present = set(cpu_info("flags").split())
    isa = " ".join(flag for flag in ISA_FLAGS if flag in present)
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    titles = ["row", "threads", "Exeunt tok/s (min-max)", "llama.cpp Q4_1", "ratio", "llama.cpp Q4_0", "ratio"]
    titles += ["required", "result", "other load"]
    return "\n".join(
        [
            f"CPU: {cpu_info('model name')} ({isa}); {now}; commit {commit}; model {Path(options.model).name};",
            f"median of {options.rounds} round(s).",
            f"Compared with: {compared_with(options.driver)}.",
            "",
            "| " + " | ".join(titles) + " |",
            "|---|" + "---:|" * 6 + "---|---|---:|",
        ]
    )


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="called by compare.sh")
    parser.add_argument("--exeunt", required=True, help="our command line tool")
    parser.add_argument("--driver", required=True, help="llama_driver")
    parser.add_argument("--model", required=True, help="GGUF file, Q4_1")
    parser.add_argument("--q4-0", required=True, help="the same model in Q4_0")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", choices=("all", "decode", "prefill", "pipeline"), default="all")
    parser.add_argument("--check", action="store_true", help="a missed ratio is a failure")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds is below 1")
    return options


def main() -> int:
    options = parse_options()
    # Ends through the finally blocks, so that no server is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    vnni = "avx512_vnni" in cpu_info("flags").split()
    table = {row: Samples() for row in rows(vnni) if options.rows in ("all", row.group)}
    try:
        for _ in range(options.rounds):
            for row, samples in table.items():
                for engine in ENGINES:
                    take_sample(options, row, engine, samples)
    except RunError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 1
    lines = [line(row, samples) for row, samples in table.items()]
    print(heading(options), *(text for text, _ in lines), sep="\n")
    return 1 if options.check and not all(ok for _, ok in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
