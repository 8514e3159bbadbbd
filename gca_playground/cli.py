"""The command line.

    gca-playground           opens JupyterLab on the course
    gca-playground app       serves the labs alone, as a page
    gca-playground doctor    says what is installed, whether a GPU is usable, and what is missing

Nothing heavy is imported before it is needed, so that the doctor can speak where something is broken.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from gca_playground import __version__
from gca_playground.doctor import DISTRIBUTION, START, doctor, find_course

PAGE = "notebooks/app.ipynb"
TEMPLATES = Path(__file__).parent / "views" / "page"
"""Where voila finds the template ``gca``, a page that asks nothing of the network."""
# What JupyterLab does unless the user has chosen otherwise: it asks nobody for news or updates, and asks the user
# nothing about it either (its option news_url=None leaves the question in front of the first view).
SETTINGS = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; ``arguments`` default to those of the process.

    Returns the exit status: 0 fine, 1 something needed is missing, 2 not understood.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and not given[0].startswith("-"):
        return _command(given[0], given[1:])
    parser = _parser()
    options, more = parser.parse_known_args(given)
    return open_course(browser=options.browser, port=options.port, more=more)


def open_course(*, browser: bool = True, port: int | None = None, more: Sequence[str] = ()) -> int:
    """Serve JupyterLab on the course until it is interrupted.

    Given: whether to open a ``browser``, a ``port`` (None: the first that is free from 8888), and ``more``
    arguments that JupyterLab itself understands. Returns the exit status.
    """
    try:
        from jupyterlab.labapp import LabApp
    except ImportError as error:
        return _complain(f"JupyterLab cannot be imported ({error}): `{DISTRIBUTION} doctor` says more", status=1)
    course = find_course()
    if course is None:
        print(
            f"The course ({START}) is neither beside the package nor here: this is an installation without its "
            "notebooks. Opening the current folder; clone the repository to have the course."
        )
    with tempfile.TemporaryDirectory() as settings:
        Path(settings, "overrides.json").write_text(json.dumps(SETTINGS))
        _one_thread()
        LabApp.launch_instance(lab_arguments(course, settings, browser=browser, port=port, more=more))
    return 0


def lab_arguments(
    course: Path | None, settings: str, *, browser: bool = True, port: int | None = None, more: Sequence[str] = ()
) -> list[str]:
    """What JupyterLab is started with: on the first notebook, with the ``settings`` of that folder."""
    arguments = [f"--LabApp.app_settings_dir={settings}"]
    if course is not None:
        arguments += [f"--ServerApp.root_dir={course}", f"--LabApp.default_url=/lab/tree/{START}"]
    if port is not None:
        arguments.append(f"--port={port}")
    if not browser:
        arguments.append("--no-browser")
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        arguments.append("--allow-root")
    return [*arguments, *more]


def serve_app(arguments: Sequence[str] = ()) -> int:
    """Serve the labs as a page of voila's, on this machine alone and behind a token unless told otherwise.

    Given: ``--port N``, ``--no-browser``, ``--no-token``, and what voila itself understands. Returns the exit status.
    """
    options, more = _app_parser().parse_known_args(list(arguments))
    course = find_course()
    if course is None or not (course / PAGE).is_file():
        return _complain(f"{PAGE} is neither beside the package nor here: clone the repository to have it", status=1)
    try:
        from voila.app import Voila
    except ImportError as error:
        mend = 'python -m pip install "voila>=0.5.8"'
        return _complain(f"voila cannot be imported ({error}): {mend}", status=1)
    _add_path("JUPYTER_PATH", TEMPLATES)
    _one_thread()
    Voila.launch_instance(app_arguments(course, options, more))
    return 0


def app_arguments(course: Path, options: argparse.Namespace, more: Sequence[str] = ()) -> list[str]:
    """What voila is started with."""
    arguments = [str(course / PAGE), "--Voila.ip=127.0.0.1", "--VoilaConfiguration.allow_theme_override=YES"]
    if not any("template=" in argument for argument in more):
        arguments.append("--template=gca")
    if options.token:
        arguments.append("--token")
    if options.port is not None:
        arguments.append(f"--port={options.port}")
    if not options.browser:
        arguments.append("--no-browser")
    return [*arguments, *more]


def _app_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{DISTRIBUTION} app",
        description="Serve the labs as a page: on this machine alone (127.0.0.1), behind a token.",
        epilog="Other options are voila's own, such as --theme=dark.",
        allow_abbrev=False,
    )
    _add_port_and_browser(parser, "8866")
    parser.add_argument("--no-token", dest="token", action="store_false", help="whoever reaches the port may use it")
    return parser


def _add_port_and_browser(parser: argparse.ArgumentParser, first: str) -> None:
    parser.add_argument("--no-browser", dest="browser", action="store_false", help="serve only; the address is printed")
    parser.add_argument(
        "--port", type=_port, metavar="N", help=f"where to serve (default: first free from {first}; 0: any free)"
    )


def _ask_doctor(arguments: Sequence[str]) -> int:
    if set(arguments) & {"-h", "--help"}:
        print(f"usage: {DISTRIBUTION} doctor\n\n{COMMANDS['doctor'][0]}")
        return 0
    if arguments:
        return _complain(f"doctor takes no arguments, got {' '.join(arguments)}")
    return doctor()


COMMANDS: dict[str, tuple[str, Callable[[Sequence[str]], int]]] = {
    "app": ("serve the labs as a page of their own", serve_app),
    "doctor": ("say what is installed, whether a GPU is usable, and what is missing", _ask_doctor),
}


def _command(name: str, more: Sequence[str]) -> int:
    if name not in COMMANDS:
        from gca_playground._boundary import near

        return _complain(near(name, COMMANDS, what="command"))
    return COMMANDS[name][1](more)


def _parser() -> argparse.ArgumentParser:
    commands = "\n".join(f"  {name:16} {words}" for name, (words, _) in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog=DISTRIBUTION,
        usage=f"{DISTRIBUTION} [--no-browser] [--port N] [JupyterLab's own options ...]\n"
        f"       {DISTRIBUTION} {{{','.join(COMMANDS)}}}",
        description="Open JupyterLab on the course.",
        epilog=f"commands:\n{commands}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"{DISTRIBUTION} {__version__}")
    _add_port_and_browser(parser, "8888")
    return parser


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 2**16):
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, got {text!r}")
    return int(text) or free_port()


def _one_thread() -> None:
    """Kernels compute on one thread, unless told otherwise: on the course's sizes more only wait for each other."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def _add_path(name: str, folder: Path) -> None:
    """Put a folder first on a search path of the environment."""
    os.environ[name] = os.pathsep.join(filter(None, (str(folder), os.environ.get(name, ""))))


def free_port() -> int:
    """A port that nobody uses now. Given 0, voila serves on such a port, too, but prints 0 as its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _complain(message: str, *, status: int = 2) -> int:
    print(f"{DISTRIBUTION}: {message}", file=sys.stderr)
    return status
