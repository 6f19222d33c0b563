"""A real Chromium, spoken to over its remote debugging pipe: no driver, no port, no library.

    with Browser() as browser:
        page = browser.open(path_to_html, width=1280, height=900)
        page.run("document.title")

Source: Chrome DevTools Protocol (https://chromedevtools.github.io/devtools-protocol/).
"""

import base64
import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.integration.browser_process import PATIENCE, BrowserProcess

__all__ = ["Browser", "Page", "find_chromium"]

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--remote-debugging-pipe",
)

# Chromium reads commands from its descriptor 3 and answers on 4, which may be in use in between.
_LAUNCHER = """
import os, sys
for old, new in ((int(sys.argv[1]), 203), (int(sys.argv[2]), 204), (203, 3), (204, 4)):
    os.dup2(old, new)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_chromium() -> str | None:
    """The path of a Chromium or a Chrome, or `None`."""
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    return next((found for name in names if (found := shutil.which(name))), None)


# Where to click an element; null as long as something else would be hit.
_PLACE = """(() => {
  const [element, corner] = [document.querySelector(%s), %s];
  element.scrollIntoView({block: "center"});
  const box = element.getClientRects()[0];
  const [x, y] = corner
    ? [box.x + 6, box.y + 6]
    : [box.x + Math.min(box.width, 60) / 2, box.y + box.height / 2];
  const hit = document.elementFromPoint(x, y);
  return hit && (element.contains(hit) || hit.contains(element)) ? [x, y] : null;
})()"""


class Browser(BrowserProcess):
    """A browser with a profile of its own, which goes when the browser does."""

    def __init__(self) -> None:
        program = find_chromium()
        assert program is not None
        super().__init__("chromium")
        to_browser, self._write = os.pipe()
        self._read, from_browser = os.pipe()
        self._start(
            [
                *(sys.executable, "-c", _LAUNCHER, str(to_browser), str(from_browser)),
                *(program, *_FLAGS, f"--user-data-dir={self._profile}"),
            ],
            descriptors=(to_browser, from_browser),
        )
        os.close(to_browser)
        os.close(from_browser)
        self._answers = os.fdopen(self._read, "rb", buffering=0)
        self._buffer = b""
        self._number = 0
        self.events: list[dict[str, Any]] = []

    def _quit(self) -> None:
        self.call("Browser.close")

    def _end(self) -> None:
        super()._end()
        os.close(self._write)
        self._answers.close()

    def open(self, path: Path, *, width: int, height: int, dark: bool = False) -> "Page":
        """A new page that shows a file, once it is loaded; see `Page` for what it records."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, session)
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.call(f"{domain}.enable")
        page.resize(width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.call("Emulation.setEmulatedMedia", features=[scheme])
        page.call("Page.navigate", url=path.as_uri())
        page.wait(lambda: any(e["method"] == "Page.loadEventFired" for e in page.events))
        return page

    def call(self, method: str, /, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; events that come before it are kept."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer}"
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            data = self._answers.read(1 << 16)
            if not data:
                raise EOFError("the browser went away")
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer


class Page:
    """One tab: what is in it, what a user does to it, and what it said and asked for."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    @property
    def events(self) -> list[dict[str, Any]]:
        return [e for e in self._browser.events if e.get("sessionId") == self._session]

    @property
    def complaints(self) -> list[str]:
        """Console messages, exceptions, and what the content security policy refused."""
        said = []
        for event in self.events:
            parameters = event["params"]
            if event["method"] == "Runtime.consoleAPICalled":
                said.append(str(parameters["args"]))
            elif event["method"] == "Runtime.exceptionThrown":
                said.append(str(parameters["exceptionDetails"]))
            elif event["method"] == "Log.entryAdded":
                said.append(parameters["entry"]["text"])
        return said

    @property
    def requests(self) -> list[str]:
        """The addresses that the page asked for, itself included."""
        return [
            event["params"]["request"]["url"]
            for event in self.events
            if event["method"] == "Network.requestWillBeSent"
        ]

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        return self._browser.call(method, session=self._session, **parameters)

    def run(self, expression: str) -> Any:
        """Evaluate JavaScript and return its value."""
        result = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, "the page takes too long"
            self.run("new Promise(done => setTimeout(done, 20))")

    def resize(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def click(self, selector: str, *, corner: bool = False) -> None:
        """Click an element with the mouse, once it is there to be clicked.

        In its middle, or near its top left `corner`, where no child of it is.
        """
        place: list[float] = []

        def ready() -> bool:
            nonlocal place
            found = self.run(_PLACE % (json.dumps(selector), json.dumps(corner)))
            place, settled = found or [], found is not None and found == place
            return settled

        self.wait(ready)
        for kind in ("mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=place[0],
                y=place[1],
                button="left",
                clickCount=1,
            )

    def press(self, key: str) -> None:
        """Press and release a key by its name (`Enter`, `ArrowRight`, `Tab`)."""
        codes = {"Enter": 13, "Tab": 9, "Escape": 27, "ArrowRight": 39, "ArrowLeft": 37}
        for kind in ("rawKeyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=codes[key],
            )

    def type(self, text: str) -> None:
        """Type text into whatever has the focus."""
        self.call("Input.insertText", text=text)

    def screenshot(self, path: Path, *, height: int | None = None) -> None:
        """Save a PNG of the page from its top, or of what is in view without `height`."""
        clip: dict[str, Any] = {}
        if height is not None:
            width = self.run("innerWidth")
            clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
            clip = {"clip": clip, "captureBeyondViewport": True}
        data = self.call("Page.captureScreenshot", **clip)["data"]
        path.write_bytes(base64.b64decode(data))
