"""Visit the image as a reader does: start the server, open every notebook, run it, and measure.

    python binder/visit.py           in the image: its Python first in PATH, the repository around this file

Prints a table; the exit status is 1 where a notebook or a page failed, or where the memory is above the limit.
Everything used here comes with the image. Linux only, as Binder is.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 10**9  # bytes, server and one kernel: what a Binder surely has
PATIENCE = 300.0  # seconds for one cell or one page
# Binder serves each reader below such a path, not at the root.
BASE_PATH = "/user/a-reader/"
NEWS = "@jupyterlab/apputils-extension:notification"
WIDGET = "application/vnd.jupyter.widget-view+json"
PICTURES = (WIDGET, "application/vnd.plotly", "image/")
# What voila writes into a page instead of an output.
VOILA_ERROR = "There was an error when executing cell"


@dataclass(frozen=True)
class Measured:
    """One line of the table.

    ``first_picture`` and ``whole``: seconds since the kernel or the page was asked for; ``processor``: how many of
    those until the first picture were spent computing, the rest is the other programs of a busy machine;
    ``memory``: bytes of server and kernel at their peak.
    """

    name: str
    whole: float
    memory: int
    first_picture: float | None = None
    processor: float | None = None
    failure: str = ""

    @property
    def fine(self) -> bool:
        """Whether it ran, within the memory."""
        return not self.failure and self.memory < LIMIT


# ------------------------------------------------------------------------------------------ the visit


def main() -> int:
    """Visit, print, judge."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server ends with it
    with tempfile.TemporaryFile("w+") as log:
        try:
            with served(log) as server:
                print(f"server: answers after {server.started:.1f} s, {peak(server.pid) / 1e6:.0f} MB", flush=True)
                print(f"load of this machine before: {os.getloadavg()[0]:.1f}\n", flush=True)
                rows = [run(server, path) for path in sorted(ROOT.glob("notebooks/*.ipynb"))]
                rows += pages(server)
        except ServerError as error:
            log.seek(0)
            print(log.read()[-4000:], file=sys.stderr)
            print(f"the server: {error}", file=sys.stderr)
            return 1
    print(table(rows))
    return 0 if all(row.fine for row in rows) else 1


def table(rows: Sequence[Measured]) -> str:
    """The measurements as Markdown, with what failed below."""
    columns = ("", "first picture, s", "its processor time, s", "whole, s", "server and kernel, MB")
    lines = ["| " + " | ".join(columns) + " |", "|---|" + "---:|" * 4]
    for row in rows:
        first, processor = ("" if value is None else f"{value:.1f}" for value in (row.first_picture, row.processor))
        lines.append(f"| {row.name} | {first} | {processor} | {row.whole:.1f} | {row.memory / 1e6:.0f} |")
    most = max(row.memory for row in rows)
    verdict = "below" if most < LIMIT else "NOT BELOW"
    lines += ["", f"peak memory {most / 1e6:.0f} MB, {verdict} the limit of {LIMIT / 1e6:.0f} MB"]
    lines += [f"FAILED {row.name}: {row.failure}" for row in rows if row.failure]
    return "\n".join(lines)


def run(server: Server, path: Path) -> Measured:
    """Run one notebook cell by cell in a kernel of its own, the way a browser would."""
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    began, busy, first, processor, failure = time.perf_counter(), spent(server.pid), None, None, ""
    with kernel(server, path) as ask:
        for cell in cells:
            for message in ask("".join(cell["source"])):
                if first is None and _is_picture(message):
                    first, processor = time.perf_counter() - began, spent(server.pid) - busy
                if message["msg_type"] == "error":
                    failure = f"{message['content']['ename']}: {message['content']['evalue']}"
            if failure:
                break
        whole, memory = time.perf_counter() - began, peak(server.pid)
        failure = failure or _where_from(ask)
    return Measured(path.name, whole, memory, first, processor, failure)


def pages(server: Server) -> Iterator[Measured]:
    """The pages that the badges open: JupyterLab on the course, and the labs alone under voila."""
    yield page(server, "the page of JupyterLab", "lab/tree/notebooks/00_start.ipynb")
    yield page(server, "its settings: no news", f"lab/api/settings/{NEWS}", holds='"default": "false"')
    yield page(server, "the page of voila", "voila/render/notebooks/app.ipynb", holds=WIDGET)


def page(server: Server, name: str, path: str, holds: str = "") -> Measured:
    """One page from request to last byte; voila runs the whole notebook before that."""
    began, failure = time.perf_counter(), ""
    try:
        text = server.get(path).decode()
        if VOILA_ERROR in text or holds not in text:
            failure = f"a cell failed: {VOILA_ERROR}" if VOILA_ERROR in text else f"no {holds} in the page"
    except urllib.error.HTTPError as error:
        failure = f"{path} answers {error.code}"
    whole, memory = time.perf_counter() - began, peak(server.pid)
    for running in server.ask("GET", "api/kernels"):
        server.ask("DELETE", f"api/kernels/{running['id']}")
    return Measured(name, whole, memory, failure=failure)


def _is_picture(message: dict[str, Any]) -> bool:
    shown = message["msg_type"] in ("display_data", "execute_result")
    return shown and any(kind.startswith(PICTURES) for kind in message["content"]["data"])


def _where_from(ask: Any) -> str:
    """Empty where the kernel has the installed package, else what is wrong."""
    program = "import gca_playground as _, sys; print(_.__file__.startswith(sys.prefix), _.__file__)"
    said = "".join(message["content"]["text"] for message in ask(program) if message["msg_type"] == "stream")
    return "" if said.startswith("True") else f"the kernel has not the installed package: {said.strip() or 'none'}"


# ------------------------------------------------------------------------------------------ the server


class ServerError(RuntimeError):
    """The server did not start, or does not answer."""


@dataclass(frozen=True)
class Server:
    """A running JupyterLab: its process, its address with the final slash, its token, seconds until it answered."""

    pid: int
    url: str
    token: str
    started: float

    def get(self, path: str, method: str = "GET", body: object = None) -> bytes:
        """What the server answers."""
        request = urllib.request.Request(
            self.url + quote(path),
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"token {self.token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return bytes(answer.read())

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The same as JSON; None for an empty answer."""
        return json.loads(self.get(path, method, body) or "null")


@contextmanager
def served(log: IO[str]) -> Iterator[Server]:
    """JupyterLab through binder/start, as Binder starts it, on a free port of this machine."""
    with tempfile.TemporaryDirectory() as runtime:
        token = secrets.token_hex(16)
        command = ["binder/start", "jupyter-lab", "--no-browser", "--ip=127.0.0.1", "--port=0"]
        command += [f"--ServerApp.base_url={BASE_PATH}", f"--IdentityProvider.token={token}"]
        command += ["--allow-root"] * (os.geteuid() == 0)
        began = time.perf_counter()
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "JUPYTER_RUNTIME_DIR": runtime},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            # Named after the process that was started: binder/start hands over to the server and does not stay.
            url = _address(process, Path(runtime, f"jpserver-{process.pid}.json"))
            server = Server(process.pid, url, token, time.perf_counter() - began)
            server.ask("GET", "api/status")
            yield server
        finally:
            process.terminate()  # the server ends its kernels
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: subprocess.Popen[bytes], notice: Path) -> str:
    """Where the server listens, as soon as it says so."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if process.poll() is not None:
            raise ServerError(f"ended with status {process.returncode}")
        with suppress(OSError, ValueError):  # not there yet, or half written
            return str(json.loads(notice.read_text())["url"])
        time.sleep(0.05)
    raise ServerError(f"did not write {notice.name} within a minute")


@contextmanager
def kernel(server: Server, path: Path) -> Iterator[Any]:
    """A session of the notebook; gives a function from source code to the messages that running it sends."""
    import websocket  # jupyter_server brings it

    where = {"path": path.relative_to(ROOT).as_posix(), "name": path.name, "type": "notebook"}
    session = server.ask("POST", "api/sessions", where | {"kernel": {"name": "python3"}})
    channels = f"ws://{urlsplit(server.url).netloc}{BASE_PATH}api/kernels/{session['kernel']['id']}/channels"
    socket = websocket.create_connection(channels, timeout=PATIENCE, header=[f"Authorization: token {server.token}"])

    def ask(source: str) -> Iterator[dict[str, Any]]:
        header = {"msg_id": uuid4().hex, "msg_type": "execute_request", "session": "visit", "username": "a reader"}
        content = {"code": source, "silent": False, "allow_stdin": False, "stop_on_error": True}
        message = {"header": header | {"version": "5.4"}, "parent_header": {}, "metadata": {}, "content": content}
        socket.send(json.dumps(message | {"channel": "shell", "buffers": []}))
        while True:
            received = socket.recv()
            if isinstance(received, bytes):
                continue  # a widget's data
            answer = json.loads(received)
            if answer["parent_header"].get("msg_id") != header["msg_id"]:
                continue
            yield answer
            if answer["msg_type"] == "status" and answer["content"]["execution_state"] == "idle":
                return

    try:
        yield ask
    finally:
        socket.close()
        server.ask("DELETE", f"api/sessions/{session['id']}")


# ------------------------------------------------------------------------------------------ the processes


def peak(pid: int) -> int:
    """The sum over a process and all below it of the most memory that each has held so far, in bytes."""
    return sum(map(_most, _family(pid)))


def spent(pid: int) -> float:
    """The sum over a process and all below it of the processor time that each has used so far, in seconds."""
    return sum(map(_busy, _family(pid)))


def _family(pid: int) -> list[int]:
    import psutil  # ipykernel brings it

    return [pid, *(process.pid for process in psutil.Process(pid).children(recursive=True))]


def _most(pid: int) -> int:
    with suppress(OSError):  # it has ended
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    return 0


def _busy(pid: int) -> float:
    with suppress(OSError):  # it has ended
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
    return 0.0


if __name__ == "__main__":
    sys.exit(main())
