"""Measures how long the playground takes to be complete in a local Chromium: `python -m benchmarks.page`.

Each load is in a new browser context, so nothing is in a cache. A view is complete when its last number stands on the
screen. Browser and service share the machine's cores, as on a laptop. Writes results/u1.json, and README.md.
"""

import argparse
import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence

from playwright.sync_api import Browser, sync_playwright
from tests.support.server import Server

from benchmarks import report
from benchmarks.contenders import FOLDER
from benchmarks.results import Figure, Measurement, Outcome, to_json

KEY, WORK = "U1", "the playground in a Chromium on the same machine, cold cache"
VIEWS = ("explorer", "map", "draw", "try", "why", "model", "tour")
FIRST = VIEWS[0]
TARGETS = {"complete": 1000, "sent": 200, "longest task": 200}
UNITS = {"complete": "ms", "sent": "kB", "longest task": "ms"}
WATCH = """
window.longest = 0;
new PerformanceObserver(list => { for (const {duration} of list.getEntries()) longest = Math.max(longest, duration); })
    .observe({type: "longtask", buffered: true});
new MutationObserver((_, observer) => {
    const isFilled = document.querySelector("main h1") && document.querySelector("#about")?.textContent.trim();
    if (isFilled) {
        observer.disconnect();
        requestAnimationFrame(() => setTimeout(() => { window.complete = performance.now(); }));
    }
}).observe(document, {subtree: true, childList: true, characterData: true});
"""
READ = """() => ({
    complete, "longest task": longest,
    sent: ["navigation", "resource"].flatMap(type => performance.getEntriesByType(type))
        .reduce((sum, each) => sum + each.encodedBodySize, 0) / 1000,
})"""

Values = Mapping[str, float]


def load(browser: Browser, url: str, view: str) -> Values:
    """Load a view as somebody who was never there; return its values by the names of `UNITS`."""
    with browser.new_context() as context:
        page = context.new_page()
        page.add_init_script(WATCH)
        page.goto(f"{url}/#{view}")
        page.wait_for_function("() => window.complete")
        values: Values = page.evaluate(READ)
    return values


def measure(rounds: int) -> Outcome:
    """Load every view in turns."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("there is no Chromium: install Debian's package chromium")
    server = Server(environment={})
    loads: dict[str, list[Values]] = {view: [] for view in VIEWS}
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            load(browser, server.url, FIRST)  # a browser's own first steps
            for _ in range(rounds):
                for view, values in loads.items():
                    values.append(load(browser, server.url, view))
            version = browser.version
            browser.close()
    finally:
        server.stop()
    return outcome(loads, version)


def outcome(loads: Mapping[str, Sequence[Values]], version: str) -> Outcome:
    """Return the figures of the first view, and the values of all."""
    measurements = [
        Measurement(f"{view}: {name}", unit, [values[name] for values in found])
        for name, unit in UNITS.items()
        for view, found in loads.items()
    ]
    figures = [
        Figure(f"first view: {name}", "<", target, [values[name] for values in loads[FIRST]], UNITS[name])
        for name, target in TARGETS.items()
    ]
    notes = [
        f"Chromium {version} and the service ran on the same cores. A view is complete when its last number is on the "
        "screen, counted from the start of the navigation",
        "sent: the bodies of all responses, mostly with gzip",
    ]
    if os.nice(0) < 0:
        notes.append("browser and service had priority over other programs of the machine")
    return Outcome(measurements, figures, notes)


def main() -> int:
    """Measure, print, and write the results; exit with 1 when a figure does not hold."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.page", description=__doc__)
    parser.add_argument("--rounds", type=int, default=11, help="loads of every view (11)")
    rounds = parser.parse_args().rounds
    settings = {"rounds": rounds, "round": "one load of each view", "load_average": os.getloadavg()[0]}
    result = to_json(KEY, WORK, settings, measure(rounds), {})
    text = json.dumps(result, indent=1, ensure_ascii=False)
    (FOLDER / "results" / f"{KEY.lower()}.json").write_text(f"{text}\n")
    print(report.table([result]))
    for each in result["measurements"]:
        print(f"{each['name']:22}  {each['median']:.0f} {each['unit']}")
    report.write(FOLDER, report.read(FOLDER / "results"))
    return 0 if all(figure["holds"] for figure in result["figures"]) else 1


if __name__ == "__main__":
    sys.exit(main())
