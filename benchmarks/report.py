"""Writes a table, README.md and charts from results/*.json."""

import json
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from benchmarks.builds import told

Result = dict[str, Any]

ORDER = (
    "P1", "P1-image", "P1-peers", "P2", "P2-image", "P3-json", "P3-binary", "P4", "P5", "P5-peers", "P6", "P7", "P8",
    "P8-peers", "P9", "P10", "O1", "O2", "U1", "D1", "D2", "D3", "G1", "T1", "S1", "S2", "S3",
)  # fmt: skip
CHARTS = {
    "throughput": (
        "P1",
        "One row per request, 64 connections",
        "requests per second on one core; longer is better",
    ),
    "throughput-peers": (
        "P1-peers",
        "One row per request, 64 connections, other servers",
        "requests per second on one core; longer is better",
    ),
    "large-body": ("P5", "100,000 rows in one JSON request", "milliseconds; shorter is better"),
    "large-body-peers": (
        "P5-peers",
        "100,000 rows in one JSON request, other servers",
        "milliseconds; shorter is better",
    ),
}

INTRODUCTION = """\
# Benchmarks

`make bench`, `make bench-peers`, `make bench-dear`, `make bench-scaling`, `make overload`, `python -m
benchmarks.page` and `python -m benchmarks.tables` write this page from `results/*.json`; edit neither.

Each contender is one server process on one core. The load generator `wrk -t1` runs on the other core, over loopback
with keep-alive. The access log is off; metrics, limits and deadlines are on. Before a measurement, the reply of each
contender is checked: probabilities against the model, which the harness runs itself, and a constant against the
constant.

Contenders take turns in one sitting (A B A B …, every second round in reverse). The machine is shared and noisy, so
only ratios count. A figure is the median of the ratios of all rounds, with the smallest and the largest beside it. The
[decisions](../docs/decisions.md#speed) give the reasons for targets that are missed.

| contender | |
| --- | --- |
| softmaxd | with its default settings |
| softmaxd-asgi | with `SOFTMAXD_EXPRESS=off`: every request takes the ASGI lane |
| bare | stock uvicorn (uvloop, httptools); an ASGI app reads the body and returns a constant of the same size |
| handwritten | a usual service: FastAPI, `BaseModel`, `response_model`, ONNX Runtime, in one `def` or `async def` |
| nginx | one worker, `return 200` with the same constant |
| triton, ray, mlserver, litserve, bentoml, mosec | each in its own environment with the same ONNX file and a session \
of one thread, set up as its documentation recommends for speed ([settings](peers)) |
"""

AGAIN = """\
## Measure again

```
apt-get install wrk nginx-light
make bench                                  # or: python -m benchmarks.bench --only P1,P4 --rounds 5 --seconds 5
make overload                               # more load than the service can bear; about two minutes
make profile                                # the parts of a request, for docs/performance.md; about five minutes
make bench-dear                             # networks of 160 and 234 MB, and Triton; about 13 minutes
make bench-gpu                              # networks on the CPU and with CUDA; see docs/gpu.md
make bench-scaling                          # S1 to S3 and docs/scaling.md; makes an environment for Ray
python -m benchmarks.page                   # the playground in a Chromium; about a minute
python -m benchmarks.tables                 # classifiers of tables against scikit-learn's; about an hour
python -m benchmarks.large                  # memory and time of training on 1,000,000 rows; about three minutes
make bench-peers                            # makes an environment for each peer; needs Python 3.11
python -m benchmarks.bench --python PATH    # P1 and P2 in the Python of the image: docs/performance.md
python -m benchmarks.bench --report-only    # writes only this page again
```
"""

WIDTH, LEFT, RIGHT, TOP, ROW, FOOT = 760, 180, 130, 64, 34, 16
OURS, OTHERS, INK, PALE, PAPER, EDGE = "#0b6bcb", "#9aa7b4", "#1f2328", "#59636e", "#ffffff", "#d1d9e0"
FONT = "-apple-system, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif"
LARGE_NUMBER = 100


def read(folder: Path) -> list[Result]:
    """Return the results in the order of the figures."""
    results = [json.loads(file.read_text()) for file in folder.glob("*.json")]
    return sorted(results, key=lambda result: ORDER.index(result["scenario"]))


def table(results: Iterable[Result]) -> str:
    """Return the figures as a table for a terminal."""
    rows = [["", "figure", "target", "measured", "min..max", "holds"]]
    rows += [[result["scenario"], *_cells(figure)] for result in results for figure in result["figures"]]
    rows += [[result["scenario"], *absent, "", "", ""] for result in results for absent in _absent(result)]
    widths = [max(len(row[column]) for row in rows if row[3] or column < 2) for column in range(6)]  # noqa: PLR2004
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def write_one(folder: Path, result: Result) -> None:
    """Write the file of a result, then README.md and the charts of all."""
    file = folder / "results" / f"{result['scenario'].lower()}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{json.dumps(result, indent=1, ensure_ascii=False)}\n")
    write(folder, read(folder / "results"))


def write(folder: Path, results: Sequence[Result]) -> None:
    """Write README.md and the charts."""
    parts = [INTRODUCTION]
    by_key = {result["scenario"]: result for result in results}
    for name, (key, title, subtitle) in CHARTS.items():
        if by_key.get(key, {}).get("measurements"):
            (folder / "results" / f"{name}.svg").write_text(chart(by_key[key], title, subtitle))
            parts.append(f"![{title}](results/{name}.svg)\n")
    parts += ["## Figures\n", _figures(results)]
    parts += ["## Values\n", *(_values(result) for result in results if result["measurements"])]
    parts += ["## Machine and versions\n", _machines(results), AGAIN]
    (folder / "README.md").write_text("\n".join(parts))


def chart(result: Result, title: str, subtitle: str) -> str:
    """Return a bar chart of the medians, with a line from the smallest to the largest round, as SVG."""
    larger_is_better = result["measurements"][0]["unit"] == "requests/s"
    bars = sorted(result["measurements"], key=lambda each: each["median"], reverse=larger_is_better)
    longest = max(bar["max"] for bar in bars)
    height = TOP + ROW * len(bars) + FOOT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'role="img" aria-label="{escape(title)}" font-family="{FONT}">',
        f'<rect x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="8" fill="{PAPER}" stroke="{EDGE}"/>',
        f'<text x="20" y="30" font-size="17" font-weight="600" fill="{INK}">{escape(title)}</text>',
        f'<text x="20" y="50" font-size="12" fill="{PALE}">{escape(subtitle)}; the line: smallest to largest of '
        f"{len(bars[0]['rounds'])} rounds</text>",
    ]
    for index, bar in enumerate(bars):
        parts += _bar(bar, TOP + ROW * index, (WIDTH - LEFT - RIGHT) / longest)
    return "\n".join([*parts, "</svg>", ""])


def _bar(bar: Result, top: float, scale: float) -> list[str]:
    ours = bar["name"].startswith("softmaxd")
    color, weight = (OURS, 600) if ours else (OTHERS, 400)
    middle, end = top + ROW / 2, LEFT + max(bar["max"] * scale, 2)
    low, high = LEFT + bar["min"] * scale, LEFT + bar["max"] * scale
    return [
        f'<text x="{LEFT - 10}" y="{middle + 4.5}" font-size="13" font-weight="{weight}" text-anchor="end" '
        f'fill="{INK}">{escape(bar["name"])}</text>',
        f'<rect x="{LEFT}" y="{top + 6}" width="{max(bar["median"] * scale, 2):.1f}" height="{ROW - 12}" rx="3" '
        f'fill="{color}"/>',
        f'<path d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 4}v8M{high:.1f} {middle - 4}v8" '
        f'stroke="{INK}" stroke-width="1.2" fill="none"/>',
        f'<text x="{end + 8:.1f}" y="{middle + 4.5}" font-size="13" font-weight="{weight}" fill="{INK}">'
        f"{_number(bar['median'])}{' ms' if bar['unit'] == 'ms' else ''}</text>",
    ]


def _figures(results: Iterable[Result]) -> str:
    lines = [
        "| | work | figure | target | measured | min … max | holds |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for result in results:
        rows = [
            (text, target, f"**{median}**", spread.replace("..", " … "), holds)
            for text, target, median, spread, holds in map(_cells, result["figures"])
        ]
        rows += [(name, "", reason, "", "") for name, reason in _absent(result)]
        for index, row in enumerate(rows):
            heading = ("", "") if index else (result["scenario"], result["work"])
            lines.append(f"| {' | '.join((*heading, *row))} |")
    return "\n".join([*lines, ""])


def _values(result: Result) -> str:
    settings, commit = result["settings"], result["commit"]
    each_round = settings.get("round") or f"{settings['seconds']} s"
    python = f"; {told(result['python'])}" if "python" in result else ""
    lines = [
        f"### {result['scenario']}: {result['work']}\n",
        "| | median | min … max | |",
        "| --- | ---: | ---: | --- |",
        *(
            f"| {each['name']} | {_number(each['median'])} | {_number(each['min'])} … {_number(each['max'])} "
            f"| {each['unit']} |"
            for each in result["measurements"]
        ),
        "",
        *(f"{note[0].upper()}{note[1:]}.\n" for note in result["notes"]),
        f"{result['date'][:10]}, commit {commit[:12]}{commit[40:]}, {settings['rounds']} rounds of "
        f"{each_round}, load average before it {settings['load_average']:.1f}{python}.\n",
    ]
    return "\n".join(lines)


def _machines(results: Iterable[Result]) -> str:
    """Return the machine and the versions, once for all scenarios that share them."""
    scenarios: dict[str, list[str]] = {}
    for result in results:
        machine = result["machine"]
        versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
        text = f"{machine['cpu']}, {machine['cores']} cores, kernel {machine['kernel']}; {versions}"
        scenarios.setdefault(text, []).append(result["scenario"])
    return "\n".join(f"- {', '.join(keys)}: {text}." for text, keys in scenarios.items()) + "\n"


def _cells(figure: Result) -> tuple[str, str, str, str, str]:
    unit = figure["unit"] if figure["unit"] == "×" else f" {figure['unit']}"
    spread = f"{_number(figure['min'])}..{_number(figure['max'])}"
    return (
        figure["text"],
        f"{figure['relation']} {figure['target']:g}{unit}",
        f"{_number(figure['median'])}{unit}",
        spread,
        "yes" if figure["holds"] else "NO",
    )


def _absent(result: Result) -> list[tuple[str, str]]:
    return [(name, f"not measured: {reason}") for name, reason in result["not_measured"].items()]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= LARGE_NUMBER else f"{value:.3g}"
