from __future__ import annotations

import importlib.metadata
import json
import os
import socket
import subprocess
import sys
import types
from pathlib import Path

import pytest

import gca_playground
from gca_playground import cli, doctor


@pytest.fixture
def launched(monkeypatch) -> list[list[str]]:
    """JupyterLab, replaced by a list of the arguments it was launched with."""
    calls: list[list[str]] = []
    stand_in = types.ModuleType("jupyterlab.labapp")
    stand_in.LabApp = types.SimpleNamespace(launch_instance=calls.append)
    monkeypatch.setitem(sys.modules, "jupyterlab.labapp", stand_in)
    return calls


@pytest.fixture
def course(monkeypatch, tmp_path) -> Path:
    """A checkout of the course with the package in it."""
    start = tmp_path / "checkout" / doctor.START
    start.parent.mkdir(parents=True)
    start.touch()
    monkeypatch.setattr(doctor, "__file__", str(tmp_path / "checkout" / "gca_playground" / "doctor.py"))
    return tmp_path / "checkout"


@pytest.fixture
def no_course(monkeypatch, tmp_path) -> Path:
    """A package installed without notebooks, and an empty current folder."""
    monkeypatch.setattr(doctor, "__file__", str(tmp_path / "site-packages" / "gca_playground" / "doctor.py"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


# ------------------------------------------------------------------------------------------ opening the course


def test_plain_call_opens_the_first_notebook_of_the_checkout(launched, course):
    assert cli.main([]) == 0
    (arguments,) = launched
    assert f"--ServerApp.root_dir={course}" in arguments
    assert "--LabApp.default_url=/lab/tree/notebooks/00_start.ipynb" in arguments
    assert "--no-browser" not in arguments


def test_settings_are_there_while_jupyterlab_runs_and_gone_after(monkeypatch, course):
    seen = []

    def launch(arguments):
        folder = next(Path(a.split("=")[1]) for a in arguments if a.startswith("--LabApp.app_settings_dir="))
        seen.append((folder, json.loads((folder / "overrides.json").read_text())))

    stand_in = types.ModuleType("jupyterlab.labapp")
    stand_in.LabApp = types.SimpleNamespace(launch_instance=launch)
    monkeypatch.setitem(sys.modules, "jupyterlab.labapp", stand_in)
    cli.main([])
    ((folder, settings),) = seen
    assert settings == cli.SETTINGS
    assert not folder.exists()


def test_course_is_found_from_any_folder(launched, course, monkeypatch, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert doctor.find_course() == course


def test_course_in_the_current_folder_serves_a_package_without_notebooks(no_course, monkeypatch):
    (no_course / "notebooks").mkdir()
    (no_course / doctor.START).touch()
    assert doctor.find_course() == no_course


def test_without_a_course_it_says_so_and_opens_the_current_folder(launched, no_course, capsys):
    assert cli.main([]) == 0
    (arguments,) = launched
    assert not any("root_dir" in argument or "default_url" in argument for argument in arguments)
    assert "without its notebooks" in capsys.readouterr().out


def test_options_and_jupyter_options_are_passed_on(launched, course):
    assert cli.main(["--no-browser", "--port", "9001", "--ServerApp.ip=0.0.0.0", "--log-level", "40"]) == 0
    (arguments,) = launched
    assert {"--no-browser", "--port=9001", "--ServerApp.ip=0.0.0.0"} <= set(arguments)
    assert arguments[-2:] == ["--log-level", "40"]


@pytest.mark.parametrize(("user", "expected"), [(0, True), (1000, False)])
def test_root_is_allowed_only_to_root(monkeypatch, user, expected):
    monkeypatch.setattr(os, "geteuid", lambda: user, raising=False)
    assert ("--allow-root" in cli.lab_arguments(None, "")) is expected


def test_jupyterlab_understands_its_settings(tmp_path):
    """JupyterLab passes over a setting it does not know without a word."""
    from jupyterlab.commands import get_app_dir
    from jupyterlab_server.settings_utils import get_settings

    (tmp_path / "overrides.json").write_text(json.dumps(cli.SETTINGS))
    schemas = Path(get_app_dir(), "schemas")
    for name, settings in cli.SETTINGS.items():
        found, _ = get_settings(str(tmp_path), str(schemas), str(tmp_path / "none"), schema_name=name)
        properties = found["schema"]["properties"]
        assert {key: properties[key]["default"] for key in settings} == settings
        choices = properties["fetchNews"]["oneOf"]
        assert settings["fetchNews"] in [choice["const"] for choice in choices]


@pytest.mark.parametrize("port", ["eighty", "-1", "65536", "80.5"])
def test_a_port_is_a_number(port, launched, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main([f"--port={port}"])
    assert stop.value.code == 2
    assert f"0 to 65535, got '{port}'" in capsys.readouterr().err
    assert not launched


def test_missing_jupyterlab_is_said_in_words(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jupyterlab.labapp", None)
    assert cli.main([]) == 1
    assert "JupyterLab cannot be imported" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------ words and errors


def test_version(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"gca-playground {gca_playground.__version__}\n"


def test_help_names_every_command(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["--help"])
    assert stop.value.code == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in cli.COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["docter"], "did you mean 'doctor'"),
        (["zzz"], "known are 'app', 'doctor'"),
        (["doctor", "now"], "takes no arguments, got now"),
    ],
)
def test_what_is_not_understood_is_named(arguments, words, capsys):
    assert cli.main(arguments) == 2
    assert words in capsys.readouterr().err


def test_a_command_has_its_own_help(capsys):
    assert cli.main(["doctor", "--help"]) == 0
    assert "what is missing" in capsys.readouterr().out


def test_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "gca_playground", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("gca-playground ")


# ------------------------------------------------------------------------------------------ the doctor


def test_doctor_finds_this_environment_in_order(capsys):
    assert cli.main(["doctor"]) == 0
    printed = capsys.readouterr().out
    for word in ("Python", "torch", "jupyterlab", "GPU", "processor", "memory", "kernel", "Chromium"):
        assert word in printed
    assert printed.endswith("Everything needed is here.\n")


def test_doctor_names_a_missing_package_and_the_command_that_mends_it(monkeypatch, capsys):
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "plotly":
            raise importlib.metadata.PackageNotFoundError(name)
        return "0.1" if name == "numpy" else real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert cli.main(["doctor"]) == 1
    printed = capsys.readouterr().out
    assert "plotly is not installed" in printed
    assert 'pip install "plotly>=' in printed
    assert "numpy is 0.1, >=" in printed
    assert "What is marked `missing` is needed." in printed


def test_doctor_does_without_the_optional(monkeypatch, capsys):
    real = importlib.metadata.version

    def version(name: str) -> str:
        if name == "voila":
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    monkeypatch.setattr(doctor, "find_chromium", lambda: None)
    assert cli.main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert "optional, app: voila is not installed" in printed
    assert "apt-get install chromium" in printed


def test_doctor_says_when_the_package_is_not_installed(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "DISTRIBUTION", "gca-playground-elsewhere")
    assert cli.main(["doctor"]) == 1
    assert "pip install -e ." in capsys.readouterr().out


def test_doctor_survives_a_broken_torch(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert cli.main(["doctor"]) == 1
    assert "torch cannot be imported" in capsys.readouterr().out


def test_doctor_sees_a_gpu_that_fails(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Test GPU")

    def broken(*size, device):
        raise RuntimeError("no kernel image\nand much more")

    monkeypatch.setattr(torch, "ones", broken)
    (finding,) = [finding for finding in doctor._look_at_processors() if "GPU" in finding.text]
    assert (finding.state, finding.text) == ("note", "GPU: Test GPU is there but cannot be used: no kernel image")


def test_doctor_sees_too_many_threads(monkeypatch):
    import torch

    monkeypatch.setattr(torch, "get_num_threads", lambda: 10_000)
    finding = next(iter(doctor._look_at_processors()))
    assert finding.state == "note"
    assert finding.mend.startswith("export OMP_NUM_THREADS=")


def test_doctor_sees_a_kernel_that_starts_another_python(monkeypatch):
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    spec = types.SimpleNamespace(argv=["/somewhere/else/python"], resource_dir="")
    monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", lambda self, name: spec)
    assert "not this Python" in doctor._kernel().text

    def absent(self, name):
        raise NoSuchKernel(name)

    monkeypatch.setattr(KernelSpecManager, "get_kernel_spec", absent)
    assert doctor._kernel().state == "missing"


def test_doctor_sees_a_cache_that_cannot_be_written(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (finding,) = doctor._look_at_cache()
    assert (finding.state, finding.text) == ("ok", f"cache: {tmp_path / 'gca_playground'}")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    (finding,) = doctor._look_at_cache()
    assert finding.state == "note"
    assert "trained anew" in finding.text


@pytest.mark.parametrize(
    ("limit", "state"), [(None, "note"), (2**29, "note"), (2**33, "ok")], ids=["unknown", "half a GiB", "8 GiB"]
)
def test_doctor_speaks_of_memory(monkeypatch, limit, state):
    monkeypatch.setattr(doctor, "_memory_limit", lambda: limit)
    (finding,) = doctor._look_at_memory()
    assert finding.state == state


def test_the_doctor_speaks_where_torch_is_missing():
    program = "import sys; sys.modules['torch'] = None; from gca_playground.cli import main; sys.exit(main(['doctor']))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "torch cannot be imported" in done.stdout


def app_started_with(*arguments):
    options, more = cli._app_parser().parse_known_args(list(arguments))
    return cli.app_arguments(Path("/course"), options, more)


def test_the_app_serves_this_machine_alone_behind_a_token():
    given = app_started_with()
    assert "/course/notebooks/app.ipynb" in given
    assert "--Voila.ip=127.0.0.1" in given
    assert "--token" in given


def test_port_0_is_any_free_port():
    (given,) = [argument for argument in app_started_with("--port", "0") if argument.startswith("--port=")]
    port = int(given.removeprefix("--port="))
    assert port > 0
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))  # raises where somebody uses it


def test_the_app_passes_on_what_it_is_told():
    given = app_started_with("--no-token", "--no-browser", "--port", "8877", "--theme=dark")
    assert "--token" not in given
    assert {"--no-browser", "--port=8877", "--theme=dark"} <= set(given)


def test_the_app_has_a_page_of_its_own_unless_told_otherwise():
    assert "--template=gca" in app_started_with()
    assert (cli.TEMPLATES / "voila" / "templates" / "gca" / "index.html.j2").is_file()
    assert "--template=gca" not in app_started_with("--template=lab")


@pytest.mark.parametrize(("before", "after"), [(None, "1"), ("3", "3")])
def test_kernels_have_one_thread_unless_told_otherwise(launched, course, monkeypatch, before, after):
    monkeypatch.setenv("OMP_NUM_THREADS", "")  # so that it is put back
    monkeypatch.delenv("OMP_NUM_THREADS")
    if before:
        monkeypatch.setenv("OMP_NUM_THREADS", before)
    assert cli.main(["--no-browser"]) == 0
    assert os.environ["OMP_NUM_THREADS"] == after


def test_the_app_says_so_where_voila_is_missing(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "voila.app", None)
    assert cli.main(["app"]) == 1
    assert "voila cannot be imported" in capsys.readouterr().err


def test_the_app_says_so_where_its_notebook_is_missing(monkeypatch, capsys):
    monkeypatch.setattr(cli, "find_course", lambda: None)
    assert cli.main(["app"]) == 1
    assert "clone the repository" in capsys.readouterr().err
