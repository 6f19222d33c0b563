"""A real Firefox, spoken to over Marionette: no driver, no library.

    with Firefox() as firefox:
        firefox.open(path_to_html, width=1280, height=900)
        firefox.run("return document.title")
        assert firefox.complaints == []

Source: Firefox Source Docs, "Marionette Protocol"
(https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html).
"""

import base64
import contextlib
import json
import os
import shutil
import socket
import time
from pathlib import Path
from typing import Any

from tests.integration.browser_process import PATIENCE, BrowserProcess

__all__ = ["Firefox", "find_firefox"]

_PREFERENCES: dict[str, object] = {
    "marionette.port": 0,  # any; Firefox writes which into its profile
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.safebrowsing.downloads.enabled": False,
    "browser.safebrowsing.malware.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.page": 0,
    "browser.topsites.contile.enabled": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "devtools.console.stdout.content": True,  # what a page says with console.log and the like
    "extensions.getAddons.cache.enabled": False,
    "extensions.systemAddon.update.enabled": False,
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.enabled": False,
}

# What the browser's console has of a page: errors, and what its policy refused.
_CONSOLE = """
return Services.console.getMessageArray()
  .filter((message) => message instanceof Ci.nsIScriptError)
  .filter((error) => error.sourceName.startsWith(arguments[0]))
  .map((error) => error.errorMessage);
"""


def find_firefox() -> str | None:
    """The path of a Firefox, or `None`."""
    return next((p for n in ("firefox-esr", "firefox") if (p := shutil.which(n))), None)


class Firefox(BrowserProcess):
    """A browser with one window and a profile of its own, which goes when the browser does."""

    def __init__(self) -> None:
        program = find_firefox()
        assert program is not None
        super().__init__("firefox")
        self._number = 0
        self._buffer = b""
        self._address = ""
        lines = [f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in _PREFERENCES.items()]
        (self._profile / "user.js").write_text("\n".join(lines) + "\n")
        self._output, self._heard = self._profile / "output", 0
        flags = ["--headless", "--marionette", "--remote-allow-system-access", "--no-remote"]
        with self._output.open("wb") as output:
            self._start(
                [program, *flags, "--profile", str(self._profile), "about:blank"],
                output=output,
                environment={
                    **os.environ,
                    "HOME": str(self._profile),
                    "MOZ_DISABLE_CONTENT_SANDBOX": "1",
                },
            )
        try:
            self._socket = socket.create_connection(("127.0.0.1", self._port()), PATIENCE)
            self._receive()  # its greeting
            self.call("WebDriver:NewSession", strictFileInteractability=False)
        except BaseException:
            self._end()
            raise

    def _port(self) -> int:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            assert self._process.poll() is None, "Firefox did not start"
            with contextlib.suppress(OSError, ValueError):
                return int((self._profile / "MarionetteActivePort").read_text())
            time.sleep(0.05)
        raise TimeoutError("Firefox takes too long to start")

    def _quit(self) -> None:
        with self._socket:
            self.call("Marionette:Quit", flags=["eForceQuit"])

    def call(self, command: str, /, **parameters: Any) -> Any:
        """Send a command and return its result."""
        self._number += 1
        message = json.dumps([0, self._number, command, parameters]).encode()
        self._socket.sendall(b"%d:%b" % (len(message), message))
        while True:
            answer = self._receive()
            if answer[1] == self._number:
                assert answer[2] is None, f"{command}: {answer[2]}"
                result = answer[3]
                return result["value"] if result.keys() == {"value"} else result

    def _receive(self) -> Any:
        while b":" not in self._buffer:
            self._buffer += self._more()
        length, _, self._buffer = self._buffer.partition(b":")
        while len(self._buffer) < int(length):
            self._buffer += self._more()
        message, self._buffer = self._buffer[: int(length)], self._buffer[int(length) :]
        return json.loads(message)

    def _more(self) -> bytes:
        data = self._socket.recv(1 << 16)
        if not data:
            raise EOFError("the browser went away")
        return data

    def open(self, path: Path, *, width: int, height: int, dark: bool = False) -> None:
        """Show a file in a window of that size, and wait until it is loaded."""
        self._address = path.as_uri()
        scheme = "layout.css.prefers-color-scheme.content-override"
        self._privileged(
            "Services.console.reset(); Services.prefs.setIntPref(arguments[0], arguments[1])",
            scheme,
            0 if dark else 1,
        )
        self._heard = len(self._output.read_text(errors="replace"))
        self.call("WebDriver:SetWindowRect", width=width, height=height)
        self.call("WebDriver:Navigate", url=self._address)

    def run(self, script: str, *arguments: object) -> Any:
        """Run the body of a function in the page and return what it does."""
        return self.call(
            "WebDriver:ExecuteScript", script=script, args=list(arguments), newSandbox=False
        )

    def _privileged(self, script: str, *arguments: object) -> Any:
        self.call("Marionette:SetContext", value="chrome")
        try:
            return self.run(script, *arguments)
        finally:
            self.call("Marionette:SetContext", value="content")

    @property
    def complaints(self) -> list[str]:
        """Console messages, exceptions, and what the content security policy refused."""
        lines = self._output.read_text(errors="replace")[self._heard :].splitlines()
        own = [line for line in lines if line.startswith("console.")]
        return [*own, *self._privileged(_CONSOLE, self._address)]

    def click(self, selector: str) -> None:
        """Click an element with the mouse, in the middle of the window."""
        self.run("document.querySelector(arguments[0]).scrollIntoView({block: 'center'})", selector)
        found = self.call("WebDriver:FindElement", using="css selector", value=selector)
        (element,) = found.values()
        self.call("WebDriver:ElementClick", id=element)

    def screenshot(self, path: Path) -> None:
        """Save a PNG of what is in view."""
        data = self.call("WebDriver:TakeScreenshot", full=False)
        path.write_bytes(base64.b64decode(data))
