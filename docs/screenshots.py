"""Takes the pictures of the playground, and writes docs/tour.md from its chapters: `make screenshots`."""

import io
import shutil
import sys
import textwrap
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Locator, Page, ViewportSize, sync_playwright
from tests.support.server import Server

DOCS = Path(__file__).parent
FOLDER = DOCS / "images" / "playground"
WIDE, NARROW, CHAPTER = (
    ViewportSize(width=width, height=height) for width, height in ((1280, 860), (360, 740), (1000, 800))
)
LOOKS = {"light": ("light", WIDE), "dark": ("dark", WIDE), "narrow": ("light", NARROW)}
COLOURS = 256  # of a picture: it is made of few
MOST_BYTES = 1_500_000

INTRODUCTION = """\
# A tour of softmax

Written by `make screenshots` from the playground; change it in `service/softmaxd/playground/js/views/tour/`.

These are the chapters of the tutorial "Softmax activation function" by Kajal Pawar, in its order and without its
mistakes. With a running service they are live, on `http://127.0.0.1:8000/#tour`: the probabilities there are answers of
the service, and the arrow keys turn the pages.
"""


def main() -> None:
    """Visit every view and every chapter."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("there is no Chromium: install Debian's package chromium")
    FOLDER.mkdir(parents=True, exist_ok=True)
    server = Server(environment={})
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            take_all(browser, server.url)
            browser.close()
    finally:
        server.stop()
    taken = sum(path.stat().st_size for path in FOLDER.glob("*.png"))
    print(f"{taken} bytes of pictures")
    if taken > MOST_BYTES:
        sys.exit(f"the pictures have more than {MOST_BYTES} bytes")


def take_all(browser: Browser, url: str) -> None:
    """Take all pictures, and write the tour."""
    for view in views(browser, url):
        for look in LOOKS:
            take_view(browser, url, view, look)
    with browser.new_page() as page:
        opened(page, f"{url}/#tour")
        count = page.locator(".chapter").count()
    chapters = [take_chapter(browser, url, number) for number in range(1, count + 1)]
    (DOCS / "tour.md").write_text("\n".join([INTRODUCTION, *chapters]))


def views(browser: Browser, url: str) -> list[str]:
    """Return the names of all views."""
    with browser.new_page() as page:
        opened(page, url)
        links = page.locator("#views a").all()
        return [str(link.get_attribute("href")).removeprefix("#") for link in links]


def take_view(browser: Browser, url: str, view: str, look: str) -> None:
    """Take a picture of a view as it begins."""
    scheme, viewport = LOOKS[look]
    with browser.new_page(color_scheme="dark" if scheme == "dark" else "light", viewport=viewport) as page:
        opened(page, f"{url}/#{view}")
        save(page, FOLDER / f"{view}-{look}.png")


def take_chapter(browser: Browser, url: str, number: int) -> str:
    """Take a picture of the live piece of a chapter, and return the chapter."""
    with browser.new_page(viewport=CHAPTER) as page:
        opened(page, f"{url}/#tour?chapter={number}")
        save(page.locator("article > :last-child"), FOLDER / f"tour-{number}.png")
        title = page.locator("main h1").inner_text()
        texts = page.locator("article .prose p").all_inner_texts()
    paragraphs = [textwrap.fill(text, 120, break_on_hyphens=False) for text in texts]
    picture = f"![{title.partition('. ')[2]}, in the playground](images/playground/tour-{number}.png)"
    return "\n\n".join([f"## {title}", *paragraphs, picture]) + "\n"


def opened(page: Page, url: str) -> None:
    """Open a view, and wait until it is quiet."""
    page.goto(url)
    page.locator("main h1").wait_for()
    page.wait_for_load_state("networkidle")


def save(shown: Page | Locator, path: Path) -> None:
    """Write a picture with few colours."""
    picture = Image.open(io.BytesIO(shown.screenshot(animations="disabled"))).convert("RGB")
    picture.quantize(COLOURS, Image.Quantize.MEDIANCUT, kmeans=3, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
