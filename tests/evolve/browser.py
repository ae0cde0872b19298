"""A headless Chromium, driven over the pipe of its DevTools protocol."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_PLUMBING = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
for end, place in zip(ends, (3, 4)):
    os.dup2(end, place)
os.execvp(sys.argv[3], sys.argv[3:])
"""
NAMES = ("chromium", "chromium-browser", "google-chrome")


def path() -> str:
    """Where a Chromium is; without one the test is skipped, which pytest counts."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium here; `apt install chromium` has it")
    return found


class Browser:
    """One tab of a browser process of its own.

    Attributes:
        complaints: Errors and exceptions of the page, as its console has them.
        asked: Every address that the page asked for.
    """

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._in, self._out = incoming, outgoing
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self.complaints: list[str] = []
        self.asked: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def open(self, address: str) -> None:
        """Goes to a page, and forgets what was noted on the one before."""
        self._call("Page.navigate", url="about:blank")
        self.complaints.clear()
        self.asked.clear()
        self._call("Page.navigate", url=address)

    def run(self, script: str) -> Any:
        """What an expression comes to; a promise is waited for."""
        ended = self._call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in ended, ended["exceptionDetails"]
        return ended["result"].get("value")

    def wait(self, script: str, why: str = "", within_s: float = 30.0) -> Any:
        """Until an expression is true; its value."""
        until = time.monotonic() + within_s
        while True:
            found = self.run(script)
            if found:
                return found
            assert time.monotonic() < until, f"{why or script}: {self.text()[:2000]}"
            time.sleep(0.05)

    def wait_for(self, text: str) -> None:
        """Until the page says something."""
        self.wait(f"document.body?.innerText.includes({json.dumps(text)})", f"no {text!r}")

    def text(self) -> str:
        return str(self.run("document.body?.innerText"))

    def click(self, name: str, kind: str = "button, a, summary") -> None:
        """Clicks what bears the name, once it is there."""
        found = (
            f"[...document.querySelectorAll({json.dumps(kind)})]"
            f".find(e => e.innerText.trim() === {json.dumps(name)} && !e.disabled)"
        )
        self.wait(f"Boolean({found})", f"nothing to click named {name!r}")
        self.run(f"{found}.click()")

    def fill(self, selector: str, text: str) -> None:
        self.wait(f"Boolean(document.querySelector({json.dumps(selector)}))")
        self.run(
            f"(e => {{ e.value = {json.dumps(text)};"
            " e.dispatchEvent(new Event('input', {bubbles: true}));"
            " e.dispatchEvent(new Event('change', {bubbles: true})); })"
            f"(document.querySelector({json.dumps(selector)}))"
        )

    def press(self, key: str) -> None:
        """A key of the keyboard, as a person presses it."""
        code = {"Tab": 9, "Enter": 13, "Escape": 27, "End": 35, "Home": 36, "ArrowLeft": 37,
                "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}[key]  # fmt: skip
        for kind in ("keyDown", "keyUp"):
            text = {"text": "\r"} if key == "Enter" and kind == "keyDown" else {}
            self._call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key,
                windowsVirtualKeyCode=code, **text,
            )  # fmt: skip

    def look(self, *, width: int, height: int = 900, dark: bool = False) -> None:
        """Sets the size of the window and the reader's light or dark setting."""
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                   deviceScaleFactor=1, mobile=False)  # fmt: skip
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, file: Path, *, whole: bool = False) -> None:
        """Writes a PNG of the window, or of the whole page."""
        shot = self._call("Page.captureScreenshot", captureBeyondViewport=whole)
        file.write_bytes(base64.b64decode(shot["data"]))

    def _call(self, method: str, **parameters: object) -> Any:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            self._note(answer.get("method", ""), answer.get("params", {}))

    def _note(self, event: str, said: Any) -> None:
        if event == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(said["exceptionDetails"])[:2000])
        elif event == "Log.entryAdded" and said["entry"]["level"] == "error":
            self.complaints.append(said["entry"]["text"])
        elif event == "Network.requestWillBeSent":
            self.asked.append(said["request"]["url"])

    def _next(self) -> Any:
        while b"\0" not in self._buffer:
            part = os.read(self._in, 1 << 20)
            assert part, "the browser has gone"
            self._buffer += part
        line, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(line)


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser that ends with the block; it reads fd 3 and writes fd 4."""
    theirs_in, ours_out = os.pipe()
    ours_in, theirs_out = os.pipe()
    command = [
        path(), "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe",
        "--no-first-run", "--disable-background-networking", "--disable-component-update",
        f"--user-data-dir={folder}/profile",
    ]  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-c", _PLUMBING, str(theirs_in), str(theirs_out), *command],
        pass_fds=(theirs_in, theirs_out),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        yield Browser(ours_in, ours_out)
    finally:
        os.close(ours_out)  # it ends when nobody is there to drive it
        os.close(ours_in)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
