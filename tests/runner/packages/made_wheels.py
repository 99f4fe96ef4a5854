"""Wheels, source archives and package indexes made by tests: small, exact, and hostile where a test wants that."""

import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    files: Mapping[str, str | bytes] | None = None,
    requires: tuple[str, ...] = (),
    tag: str = "py3-none-any",
) -> Path:
    """Write a wheel with one module of its own name, or with `files`."""
    module = name.replace("-", "_")
    info = f"{module}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {one}\n" for one in requires)
    contents: dict[str, str | bytes] = dict(files or {f"{module}.py": f"VERSION = {version!r}\n"})
    contents[f"{info}/METADATA"] = metadata
    contents[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n"
    contents[f"{info}/RECORD"] = "".join(f"{path},,\n" for path in [*contents, f"{info}/RECORD"])
    path = folder / f"{module}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for inner, text in contents.items():
            archive.writestr(inner, text)
    return path


def sdist(folder: Path, name: str, version: str, *, setup: str) -> Path:
    """Write a source archive whose setup.py is `setup`, with metadata that a resolver must not trust."""
    path = folder / f"{name}-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for inner, text in {
            "setup.py": setup,
            "PKG-INFO": f"Metadata-Version: 1.0\nName: {name}\nVersion: {version}\n",
        }.items():
            data = text.encode()
            member = tarfile.TarInfo(f"{name}-{version}/{inner}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


class Index:
    """A package index on loopback (PEP 503) over a folder. `requests` are the paths that were asked for.

    `before` is called with the path before each answer, in the thread of that request. `announced` overrides the
    hash that the index tells for a file.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.requests: list[str] = []
        self.before: Callable[[str], object] = lambda _: None
        self.announced: dict[str, str] = {}
        index = self

        class Answers(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self._answer(head=True)

            def do_GET(self) -> None:
                index.requests.append(self.path)
                index.before(self.path)
                self._answer(head=False)

            def _answer(self, *, head: bool) -> None:
                found = index.answer(self.path)
                try:
                    self.send_response(200 if found is not None else 404)
                    self.send_header(
                        "Content-Type", "text/html" if self.path.endswith("/") else "application/zip"
                    )
                    self.send_header("Content-Length", str(len(found or b"")))
                    self.end_headers()
                    self.wfile.write(b"" if head else found or b"")
                except OSError:
                    return

            def log_message(self, format: str, *args: object) -> None:  # noqa: ARG002
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/simple/"

    def downloads(self) -> list[str]:
        return [path for path in self.requests if path.endswith(".whl")]

    def answer(self, path: str) -> bytes | None:
        if path.startswith("/files/"):
            file = self.folder / path.removeprefix("/files/")
            return file.read_bytes() if file.is_file() else None
        name = path.removeprefix("/simple/").strip("/")
        found = [
            file
            for file in sorted(self.folder.iterdir())
            if file.name.split("-")[0].replace("_", "-") == name
        ]
        if not found:
            return None
        links = "".join(
            f'<a href="/files/{file.name}#sha256={self._hash(file)}">{file.name}</a>' for file in found
        )
        return f"<!DOCTYPE html><html><body>{links}</body></html>".encode()

    def _hash(self, file: Path) -> str:
        return self.announced.get(file.name) or hashlib.sha256(file.read_bytes()).hexdigest()


@contextmanager
def served(folder: Path) -> Iterator[Index]:
    """An index that answers until the end of the block."""
    index = Index(folder)
    thread = threading.Thread(target=index.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield index
    finally:
        index.server.shutdown()
        thread.join()
        index.server.server_close()
