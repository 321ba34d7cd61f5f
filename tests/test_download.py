"""Downloads go on where they stopped and never leave a wrong file, whatever the server does."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from drlcore.__main__ import main
from drlcore.data.datasets import available
from drlcore.data.download import download, fetch
from drlcore.data.published import PUBLISHED, PublishedFile
from drlcore.errors import DataError

CONTENT = np.random.default_rng(0).bytes(400_000)
COMMAND = "make data DATASET=some"


@dataclass
class Server:
    """What the server sends next, and what it was asked for: one Range header, or "", a request."""

    address: str = ""
    content: bytes = CONTENT
    ranges: bool = True
    status: int = 200
    breaks_after: int | None = None
    begins: int | None = None
    asked: list[str] = field(default_factory=list)

    @property
    def file(self) -> PublishedFile:
        """The published file, whatever is really sent."""
        return PublishedFile("some.bin", self.address, hashlib.md5(CONTENT).hexdigest())


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            assert len(state.asked) < 10
            asked = self.headers.get("Range", "")
            state.asked.append(asked)
            body, begin = state.content, 0
            if state.status != 200:
                return self.send_error(state.status)
            if asked and state.ranges:
                begin = int(asked.removeprefix("bytes=").removesuffix("-"))
                if begin >= len(body):
                    return self.send_error(416)
                begin = begin if state.begins is None else state.begins
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {begin}-{len(body) - 1}/{len(body)}")
            else:
                self.send_response(200)
            body = body[begin:]
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: state.breaks_after])

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        state.address = f"http://127.0.0.1:{http.server_port}/data/"
        yield state
        http.shutdown()
        thread.join(10)


def get(server: Server, folder: Path) -> Path:
    return fetch(server.file, folder, COMMAND, progress=False)


def refused(server: Server, folder: Path, *told: str) -> None:
    with pytest.raises(DataError) as caught:
        get(server, folder)
    message = str(caught.value)
    assert "\n" not in message
    for text in (server.file.url, COMMAND, *told):
        assert text in message
    assert not (folder / "some.bin").exists()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_file_is_fetched_once(server: Server, tmp_path: Path) -> None:
    folder = tmp_path / "made" / "here"
    assert get(server, folder) == get(server, folder) == folder / "some.bin"
    assert files(folder) == {"some.bin": CONTENT} and server.asked == [""]


def test_a_broken_download_goes_on_where_it_stopped(server: Server, tmp_path: Path) -> None:
    server.breaks_after = 150_000
    asked, held = [""], 0
    for _ in range(2):
        refused(server, tmp_path, "did not arrive whole", "bytes are kept")
        part = (tmp_path / "some.bin.part").read_bytes()
        assert held < len(part) <= held + 150_000 and part == CONTENT[: len(part)]
        held = len(part)
        asked.append(f"bytes={held}-")
    server.breaks_after = None
    get(server, tmp_path)
    assert files(tmp_path) == {"some.bin": CONTENT} and server.asked == asked


def test_a_server_without_ranges_sends_all_again(server: Server, tmp_path: Path) -> None:
    (tmp_path / "some.bin.part").write_bytes(CONTENT[:70_000])
    server.ranges = False
    get(server, tmp_path)
    assert files(tmp_path) == {"some.bin": CONTENT} and server.asked == ["bytes=70000-"]


@pytest.mark.parametrize("begins", [0, 50_000])
def test_a_server_may_begin_earlier_than_asked(server: Server, tmp_path: Path, begins: int) -> None:
    (tmp_path / "some.bin.part").write_bytes(CONTENT[:70_000])
    server.begins = begins
    get(server, tmp_path)
    assert files(tmp_path) == {"some.bin": CONTENT}


def test_a_server_that_begins_later_is_refused(server: Server, tmp_path: Path) -> None:
    (tmp_path / "some.bin.part").write_bytes(CONTENT[:70_000])
    server.begins = 70_001
    refused(server, tmp_path, "70000 bytes are kept")
    assert files(tmp_path) == {"some.bin.part": CONTENT[:70_000]}


@pytest.mark.parametrize("status", [404, 500])
def test_an_error_keeps_what_was_there(server: Server, tmp_path: Path, status: int) -> None:
    (tmp_path / "some.bin.part").write_bytes(CONTENT[:70_000])
    server.status = status
    refused(server, tmp_path, str(status), "70000 bytes are kept")
    assert files(tmp_path) == {"some.bin.part": CONTENT[:70_000]}


def test_no_server(server: Server, tmp_path: Path) -> None:
    server.address = "http://127.0.0.1:9/"
    refused(server, tmp_path, "did not arrive whole", "0 bytes are kept")


def test_other_content_is_deleted(server: Server, tmp_path: Path) -> None:
    server.content = b"<html>moved</html>"
    found = hashlib.md5(server.content).hexdigest()
    refused(server, tmp_path, "something else", server.file.md5, found)
    assert files(tmp_path) == {}


@pytest.mark.parametrize("kind", ["other beginning", "too long"])
def test_a_wrong_part_costs_one_more_call(
    server: Server, tmp_path: Path, kind: Literal["other beginning", "too long"]
) -> None:
    wrong = {"other beginning": b"?" * 70_000, "too long": CONTENT + b"?"}
    (tmp_path / "some.bin.part").write_bytes(wrong[kind])
    refused(server, tmp_path)
    get(server, tmp_path)
    assert files(tmp_path) == {"some.bin": CONTENT}


def test_a_part_that_was_whole_needs_no_server(server: Server, tmp_path: Path) -> None:
    (tmp_path / "some.bin.part").write_bytes(CONTENT)
    get(server, tmp_path)
    assert files(tmp_path) == {"some.bin": CONTENT} and server.asked == []


def test_a_damaged_file_is_replaced(server: Server, tmp_path: Path) -> None:
    (tmp_path / "some.bin").write_bytes(CONTENT[:-1])
    get(server, tmp_path)
    assert files(tmp_path) == {"some.bin": CONTENT} and server.asked == [""]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "data" / "mnist").mkdir(parents=True)
    monkeypatch.setenv("DRLCORE_ROOT", str(tmp_path))
    return tmp_path / "data"


def test_the_command_fetches_every_file(
    server: Server,
    checkout: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = ("a.gz", "b.gz")
    monkeypatch.setitem(
        PUBLISHED,
        "fashion-mnist",
        tuple(PublishedFile(name, server.address, server.file.md5) for name in names),
    )
    server.status = 503
    assert main(["data", "fashion-mnist"]) == 1
    told = capsys.readouterr().err
    assert "DataError" in told and "'make data DATASET=fashion-mnist' goes on" in told
    assert not available("fashion-mnist")
    server.status = 200
    assert main(["data", "fashion-mnist"]) == 0
    assert capsys.readouterr().out.split() == ["fashion-mnist", "here"]
    assert files(checkout / "fashion-mnist") == dict.fromkeys(names, CONTENT)
    assert available("fashion-mnist") and len(server.asked) == 3


def test_what_has_no_address_is_explained(
    checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "mini-imagenet"]) == 1
    told = capsys.readouterr().err
    assert str(checkout / "mini-imagenet") in told and "train.tar.gz" in told
    assert "500 and 100 images" in told


@pytest.mark.parametrize("name", ["mnist", "digits", "toy", "colored-mnist"])
def test_data_of_the_repository_needs_no_download(name: str, checkout: Path) -> None:
    before = sorted(checkout.rglob("*"))
    download(name)
    assert sorted(checkout.rglob("*")) == before
