"""Kills at random moments: nothing may stay, no key may stay, and every result must be readable.

    python -m tests.benchmarks.kills [--kills 200] [--seed N] [--stacks local docker]

Interrupted, it prints what it found until then; several, each with a seed of its own, may run at a
time.

Each round starts a short run in a folder of its own and kills one of its processes (or, on containers, one
of its containers) at a random moment between its start and its end. What is killed and when follows from the
seed. Exit code 1 if a process, a container, a run folder or a private key is left, if a result cannot be
read, or if the run itself does not end.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psutil

from bench.errors import BenchError
from bench.result import read_result
from bench.stack.interrupts import TerminatedError, terminations_raise

SCENARIO = Path(__file__).resolve().parents[2] / "scenarios" / "egress-mtls"
GRACE_S = 30.0
"""For guards and engines to clear up after a kill."""
PATIENCE_S = 300.0
"""For a run that lost a part to end; on a machine with ten times too much to do a whole one takes minutes."""
CRASHED = 1
"""How Python ends after an error that nothing caught; a limit that was missed ends so, too."""
TRACEBACK = "Traceback (most recent call last)"
SHORT = ("--blocks", "1", "--measure", "1", "--rate", "100", "--key", "ecdsa-p256", "--quiet")


@dataclass
class Round:
    """One run and what became of it."""

    stack: str
    victim: str = "nobody"
    moment_s: float = 0.0
    took_s: float = 0.0
    code: int | None = None
    ended: str = ""
    """What its result says of it."""
    faults: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Give the row of the table."""
        summary = "; ".join(self.faults) or f"clean ({' '.join(self.ended.split()) or 'no result yet'})"
        code = "-" if self.code is None else self.code
        return f"{self.stack:<7} {self.victim:<34} {self.moment_s:>6.1f} s {code:>5}  {summary}"


def main() -> int:
    """Kill, look, print a row for each round; 1 where something stayed."""
    parser = argparse.ArgumentParser(description="kills at random moments")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.monotonic()))
    parser.add_argument("--stacks", nargs="+", default=["local", "docker"], choices=["local", "docker"])
    options = parser.parse_args()
    dice = Random(options.seed)
    print(f"seed {options.seed}")
    print(f"{'stack':<7} {'killed':<34} {'after':>8} {'code':>5}  what stayed", flush=True)
    span_s = {}
    bad = 0
    for stack in options.stacks:
        whole = play(stack, dice, moment_s=None)
        span_s[stack] = whole.took_s
        bad += bool(whole.faults)
        print(whole.line(), flush=True)
    done = 0
    try:
        for number in range(options.kills):
            stack = options.stacks[number % len(options.stacks)]
            found = play(stack, dice, moment_s=dice.uniform(0.0, span_s[stack]))
            done += 1
            bad += bool(found.faults)
            print(found.line(), flush=True)
    finally:
        print(f"{done} kills, {bad} rounds in which something stayed or could not be read", flush=True)
    return 1 if bad else 0


def play(stack: str, dice: Random, *, moment_s: float | None) -> Round:
    """Run once; kill at *moment_s*, or let it end for None."""
    found = Round(stack, moment_s=moment_s or 0.0)
    folder = Path(tempfile.mkdtemp(prefix="kills-"))
    process = start(stack, folder)
    began = time.monotonic()
    try:
        if moment_s is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(moment_s)
            found.victim = kill_one(process, stack, dice)
        try:
            found.code = process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            found.faults.append(f"the run did not end within {PATIENCE_S:g} s")
        found.took_s = time.monotonic() - began
        found.faults += left(process.pid, folder)
        found.faults += unreadable(folder / "out", found)
        if found.code == CRASHED and TRACEBACK in (folder / "output.log").read_text(errors="replace"):
            found.faults.append("a traceback")
    finally:
        end_all(process, folder)
        shutil.rmtree(folder, ignore_errors=True)
    return found


def start(stack: str, folder: Path) -> subprocess.Popen[bytes]:
    (folder / "tmp").mkdir()
    scenario = Path(shutil.copytree(SCENARIO, folder / "scenario"))
    text = (scenario / "scenario.yaml").read_text()
    (scenario / "scenario.yaml").write_text(text.replace("most_s: 20", "most_s: 6"))
    command = [sys.executable, "-m", "bench", "run", str(scenario), "--stack", stack, "--no-handshake"]
    with (folder / "output.log").open("wb") as log:
        return subprocess.Popen(
            [*command, *SHORT, "--out", str(folder / "out")],
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "TMPDIR": str(folder / "tmp")},
        )


def kill_one(process: subprocess.Popen[bytes], stack: str, dice: Random) -> str:
    """Kill the run itself, one of its processes, or one of its containers; give what it was."""
    choices = [("the run itself", None, "")]
    with contextlib.suppress(psutil.NoSuchProcess):
        for each in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                choices.append((name_of(each), each, ""))
    if stack == "docker":
        choices += [(f"container {name}", None, name) for name in containers(process.pid, running=True)]
    # The same order for the same processes, whatever numbers they have.
    name, victim, container = dice.choice(sorted(choices, key=lambda each: each[0]))
    with contextlib.suppress(psutil.Error, ProcessLookupError):
        if container:
            subprocess.run(["docker", "kill", container], capture_output=True, check=False)
        elif victim is not None:
            victim.kill()
        else:
            process.send_signal(signal.SIGKILL)
    return name[:34]


def name_of(process: psutil.Process) -> str:
    words = [Path(word).name for word in process.cmdline() if not word.startswith("-")]
    return " ".join(words[:3]) or process.name()


def containers(pid: int, *, running: bool = False) -> list[str]:
    """Give the names of the containers of the run with this process id."""
    command = ["docker", "ps", "--format", "{{.Names}}", "--filter", f"name=egress-bench-{pid}-"]
    done = subprocess.run(
        [*command, *([] if running else ["--all"])], capture_output=True, text=True, check=False
    )
    return done.stdout.split()


def processes_of(folder: Path) -> Iterator[psutil.Process]:
    """Give every process whose temporary folder or command line is in *folder*."""
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if each.status() == psutil.STATUS_ZOMBIE or each.pid == os.getpid():
                continue
            there = each.environ().get("TMPDIR", "").startswith(str(folder))
            if there or any(str(folder) in word for word in each.cmdline()):
                yield each


def left(pid: int, folder: Path) -> list[str]:
    """Report what is left once the grace is over; whatever goes meanwhile is not left."""
    deadline = time.monotonic() + GRACE_S
    while True:
        faults = [f"process {name_of(each)}" for each in processes_of(folder)]
        faults += [f"container {name}" for name in containers(pid)] if shutil.which("docker") else []
        faults += [f"folder {each.name}" for each in (folder / "tmp").glob("egress-bench-*")]
        # Not by rglob: it fails where a folder goes while it looks.
        faults += [
            f"key {where}/{name}"
            for where, _, names in os.walk(folder)
            for name in names
            if name.endswith(".key")
        ]
        if not faults or time.monotonic() > deadline:
            return faults
        time.sleep(0.2)


def unreadable(out: Path, found: Round) -> list[str]:
    """Read every result that was begun; *found* learns how it ended."""
    faults = []
    for path in out.glob("*/result.json") if out.exists() else ():
        try:
            result = read_result(path.parent)
            found.ended = f"{result.state}: {result.reason}" if result.reason else result.state
        except BenchError as error:
            faults.append(f"result: {error.what}")
    return faults


def end_all(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Leave nothing of a round that failed."""
    for each in (*processes_of(folder),):
        with contextlib.suppress(psutil.Error):
            each.kill()
    process.kill()
    process.wait()
    for name in containers(process.pid) if shutil.which("docker") else ():
        subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)


if __name__ == "__main__":
    # Ended from outside, it still ends what it started.
    with terminations_raise(), contextlib.suppress(TerminatedError):
        sys.exit(main())
    sys.exit(128 + signal.SIGTERM)
