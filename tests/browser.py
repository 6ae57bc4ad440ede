"""A headless Chromium, spoken to by the WebDriver protocol (https://www.w3.org/TR/webdriver2), no package."""

import base64
import json
import re
import shutil
import subprocess
import threading
import urllib.error
import urllib.request

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

# No sandbox, as tests may run as root; no small /dev/shm, as containers have; no name is ever resolved.
_ARGUMENTS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--window-size=1200,1000",
    "--force-device-scale-factor=1",
    "--host-resolver-rules=MAP * ~NOTFOUND",
]
_ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the key by which the protocol names an element


class Browser:
    """One window; close it, or its processes stay behind."""

    def __init__(self):
        self._driver = subprocess.Popen(
            [DRIVER, "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._session = None
        watchdog = threading.Timer(60, self._driver.kill)  # a driver that says nothing would be read for ever
        watchdog.start()
        try:
            for line in self._driver.stdout:
                if match := re.search(r"started successfully on port (\d+)", line):
                    self._address = f"http://127.0.0.1:{match[1]}/session"
                    break
            else:
                raise RuntimeError("chromedriver did not start")
            options = {"binary": CHROMIUM, "args": _ARGUMENTS}
            always = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
            value = self._send("POST", "", {"capabilities": {"alwaysMatch": always}})
            self._session = value["sessionId"]
        except BaseException:
            self.close()
            raise
        finally:
            watchdog.cancel()

    def close(self):
        try:
            if self._session:
                self._send("DELETE", f"/{self._session}")
        finally:
            self._driver.terminate()
            self._driver.communicate(timeout=30)

    def _send(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._address + path, data, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=60) as response:
                return json.load(response)["value"]
        except urllib.error.HTTPError as error:
            with error:
                raise RuntimeError(json.load(error)["value"]["message"]) from None

    def command(self, name, body=None):
        """Send a command of the session; without a body it is a question."""
        return self._send("GET" if body is None else "POST", f"/{self._session}/{name}", body)

    def open(self, path):
        self.command("url", {"url": path.resolve().as_uri()})

    def run(self, script, *arguments):
        """Run JavaScript in the page and return what it returns."""
        return self.command("execute/sync", {"script": script, "args": list(arguments)})

    def find(self, selector):
        return self.command("element", {"using": "css selector", "value": selector})[_ELEMENT]

    def visible(self, selector):
        return self.command(f"element/{self.find(selector)}/displayed")

    def text(self, selector):
        return self.command(f"element/{self.find(selector)}/text")

    def click(self, selector):
        self.command(f"element/{self.find(selector)}/click", {})

    def type(self, selector, text):
        """Replace what is in a field."""
        element = self.find(selector)
        self.command(f"element/{element}/clear", {})
        self.command(f"element/{element}/value", {"text": text})

    def press(self, selector, keys):
        self.command(f"element/{self.find(selector)}/value", {"text": keys})

    def point(self, selector, x, y):
        """Move the mouse to a place in an element, in pixels from its upper left corner."""
        box = self.run("return document.querySelector(arguments[0]).getBoundingClientRect()", selector)
        move = {"type": "pointerMove", "duration": 0, "x": round(box["x"] + x), "y": round(box["y"] + y)}
        self.command("actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": [move]}]})

    def errors(self):
        """What the browser found wrong with the page since it was asked last."""
        entries = self.command("se/log", {"type": "browser"})
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def screenshot(self):
        return base64.b64decode(self.command("screenshot"))
