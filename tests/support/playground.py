"""The playground as a person uses it: a page whose every complaint counts, and axe-core's look at it."""

import shutil
import subprocess
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import ConsoleMessage, Page, Request, Response

from tests.support.paths import REPOSITORY
from tests.support.skipping import skip_outside_ci

WATCH_POLICY = """
window.violations = [];
addEventListener("securitypolicyviolation", event => violations.push(event.violatedDirective + " " + event.blockedURI));
"""
RUN_AXE = """async () => (await axe.run(document, {resultTypes: ["violations"]})).violations.map(
    each => `${each.id}: ${each.nodes.map(node => node.target.join(" ") + " " + node.failureSummary).join("; ")}`
)"""
DROP = """([selector, name, content]) => {
    const files = new DataTransfer();
    files.items.add(new File([Uint8Array.from(atob(content), sign => sign.charCodeAt(0))], name));
    const events = ["dragover", "drop"].map(type => {
        const event = new DragEvent(type, {dataTransfer: files, bubbles: true, cancelable: true});
        document.querySelector(selector).dispatchEvent(event);
        return event;
    });
    return events.every(event => event.defaultPrevented);
}"""
NODE = REPOSITORY / ".venv" / "javascript"


class Visit:
    """A page of the playground. `problems` has the errors of its console and its policy, and requests that failed."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.problems: list[str] = []
        self.refusals_expected = 0
        page.add_init_script(WATCH_POLICY)
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("requestfailed", self._note_failure)
        page.on("response", self._note_refusal)

    def _note(self, message: ConsoleMessage) -> None:
        is_refusal = "the server responded with a status of" in message.text  # counted by `_note_refusal`
        if message.type in {"error", "warning"} and not is_refusal:
            self.problems.append(message.text)

    def _note_failure(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page gave it up itself
            self.problems.append(f"{request.url}: {request.failure}")

    def _note_refusal(self, response: Response) -> None:
        if response.status >= 400:
            self.refusals_expected -= 1
            if self.refusals_expected < 0:
                self.problems.append(f"{response.url}: {response.status}")

    def open(self, state: str = "") -> Page:
        """Open a view, like `explorer?logits=1,2`, and wait until it is quiet."""
        self.page.goto(f"{self.url}/#{state}")
        self.page.locator("main:not([aria-busy]) h1").wait_for()
        self.page.wait_for_load_state("networkidle")
        return self.page

    def check(self) -> None:
        """Fail if the page had anything to complain about."""
        violations: list[str] = self.page.evaluate("window.violations ?? []")
        assert not self.problems + violations, "\n".join(self.problems + violations)


def drop(page: Page, selector: str, name: str, content: bytes) -> None:
    """Drop a file on an element; fails if the browser would leave the page for it."""
    assert page.evaluate(DROP, [selector, name, b64encode(content).decode()])


VisitTo = Callable[[Path], Visit]  # to a service with the models of a folder


def axe_violations(page: Page) -> list[str]:
    """Return the violations that axe-core finds in a page as it is now."""
    page.evaluate(_axe().read_text())
    found: list[str] = page.evaluate(RUN_AXE)
    return found


def _axe() -> Path:
    """Return the script of axe-core, which is installed if it is not there."""
    if shutil.which("npm") is None:
        skip_outside_ci("npm is needed to install axe-core")
    subprocess.run(
        ["make", "--no-print-directory", ".venv/javascript/.installed"], cwd=REPOSITORY, check=True, capture_output=True
    )
    return NODE / "node_modules" / "axe-core" / "axe.min.js"
