"""The report's page in a real browser without a window, and its tables in a document that LaTeX makes."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from iqatune.progress import Progress
from iqatune.report.build import write_report

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The browser that is installed here; none is downloaded."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip(f"needs a browser on PATH: {', '.join(BROWSERS)}")
    api = pytest.importorskip("playwright.sync_api")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    with api.sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=found, args=arguments, timeout=120_000)
        yield instance
        instance.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, write_run_below: Callable[..., Path]) -> Path:
    """A report of several data sets and backbones, to look at alone."""
    folder = tmp_path_factory.mktemp("mixed")
    write_run = partial(write_run_below, folder)
    for backbone, srcc in (("vgg19", 0.91), ("alexnet", 0.93), ("<b>bold</b>", 0.92)):
        write_run(folder=str(srcc), backbone=backbone.replace("/", ""), srcc=srcc, bounds=(srcc - 0.01, srcc + 0.015))
    for backbone in ("vgg19", "resnet50"):
        write_run(dataset="demo", backbone=backbone)
    return write_report(folder, folder / "report", scoring=None, progress=Progress())


@pytest.mark.browser
def test_the_page_loads_shows_its_figures_and_sorts(browser: Any, report: Path) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    problems: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(report.as_uri(), wait_until="load", timeout=120_000)

    # nothing but the page itself is asked for
    outside = [url for url in requests if not url.startswith("data:") and url != report.as_uri()]
    assert outside == []
    figures = page.evaluate(
        """[...document.querySelectorAll("figure img")].map(
            img => [img.alt, img.complete && img.naturalWidth > 100, img.getBoundingClientRect().width > 100])"""
    )
    assert len(figures) >= 4
    assert all(loaded and visible for _, loaded, visible in figures), figures
    answers = page.locator(".answer").all_inner_texts()
    assert [answer.splitlines()[0] for answer in answers] == [
        "Tuning helped on demo (SIMULATED observers).",
        "Tuning helped on live.",
    ]
    # the verdict is to be seen without scrolling
    assert page.locator(".answer h2").first.bounding_box()["y"] < 200
    # text from records is text, never markup
    assert page.locator("td b").count() == 0

    for closed in page.locator("details").all():
        closed.evaluate("one => { one.open = true; }")
    table = page.locator("#scores-random-stage-4")
    head = table.locator("thead tr:last-child th", has_text="SRCC").nth(1)  # of live, after demo's
    column = head.evaluate("head => head.cellIndex")

    def figures_of_column() -> list[float | None]:
        shown: list[float | None] = table.evaluate(
            """(table, place) => [...table.tBodies[0].rows].map(row => row.cells[place]).map(
                cell => cell.classList.contains("missing") ? null : Number(cell.dataset.value))""",
            column,
        )
        return shown

    before = figures_of_column()
    assert None in before
    assert len(set(before)) >= 5  # 3 backbones tuned, uniform weights, and what is missing
    head.locator("button").click()
    present = sorted((value for value in before if value is not None), reverse=True)
    missing: list[float | None] = [None] * before.count(None)
    assert figures_of_column() == [*present, *missing]
    assert head.get_attribute("aria-sort") == "descending"
    head.locator("button").click()
    assert figures_of_column() == [*reversed(present), *missing]
    table.locator("th button").first.click()
    names = table.locator("tbody tr td:first-child").all_inner_texts()
    assert names == sorted(names, key=str.lower)
    assert head.get_attribute("aria-sort") is None

    assert problems == []
    if folder := os.environ.get("IQATUNE_TEST_SCREENSHOTS"):
        page.screenshot(path=str(Path(folder) / "report.png"), full_page=True)
    page.close()


RESULTS = Path(__file__).parents[2] / "results"

A4 = 695
"""Pixels between the margins of an A4 page, 184 mm."""

LAYOUT, CONTRAST = (Path(__file__).with_name(name).read_text() for name in ("layout.js", "contrast.js"))


def small_report(folder: Path, write_run: Callable[..., Path]) -> Path:
    """One record, a searcher and a seed, of a data set without published figures, whose names are long."""
    write_run(dataset="csv", pairs_file="/data/photographs_of_the_laboratory/pairs_of_2026.csv", backbone="squeezenet")
    return write_report(folder, folder / "report", scoring=None, progress=Progress())


@pytest.fixture(
    params=[
        "mixed",
        "small",
        "live_r2_subset",
        # real results of more settings, whose figures take longest to draw
        pytest.param("tid2013_part", marks=pytest.mark.thorough),
        pytest.param("textures", marks=pytest.mark.thorough),
    ]
)
def any_report(request: pytest.FixtureRequest, tmp_path: Path, write_run: Callable[..., Path]) -> Path:
    if request.param == "small":
        return small_report(tmp_path, write_run)
    if request.param == "mixed":
        mixed: Path = request.getfixturevalue("report")
        return mixed
    return write_report(RESULTS / request.param, tmp_path / "report", scoring=None, progress=Progress())


@pytest.mark.browser
def test_nothing_is_cut_or_lies_on_anything(browser: Any, any_report: Path) -> None:
    page = browser.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(any_report.as_uri(), wait_until="load", timeout=120_000)
    for opened in (False, True):
        page.evaluate(
            "opened => { for (const one of document.querySelectorAll('details')) one.open = opened; }", opened
        )
        for media, width in (("screen", 1280), ("screen", 390), ("print", A4)):
            page.emulate_media(media=media)
            page.set_viewport_size({"width": width, "height": 1000})
            found = page.evaluate(LAYOUT, media == "print")
            problems += [f"{media} {width}, details {'open' if opened else 'closed'}: {each}" for each in found]
            # the verdict is to be seen without scrolling, and its headline is short enough for a phone
            headline = page.locator(".answer h2").first.bounding_box()
            assert headline["y"] + headline["height"] < 400
    page.close()
    assert problems == []


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_by_day_and_by_night(browser: Any, report: Path, scheme: str) -> None:
    page = browser.new_page(color_scheme=scheme)
    page.goto(report.as_uri(), wait_until="load", timeout=120_000)
    page.evaluate("() => { for (const one of document.querySelectorAll('details')) one.open = true; }")
    lightness, low = page.evaluate(CONTRAST)
    # drawings are made on white, whatever the page is
    behind = page.locator("figure img").first.evaluate("image => getComputedStyle(image).backgroundColor")
    page.close()
    assert (lightness < 0.05) == (scheme == "dark")
    assert low == []
    assert behind == "rgb(255, 255, 255)"


@pytest.mark.browser
def test_paper_shows_how_to_read_each_table(browser: Any, report: Path, tmp_path: Path) -> None:
    page = browser.new_page()
    page.goto(report.as_uri(), wait_until="load", timeout=120_000)
    page.evaluate(
        """() => addEventListener("beforeprint", () => {
            window.open_then = document.querySelectorAll("details.card[open]").length;
        })"""
    )
    printed = page.pdf(format="A4", prefer_css_page_size=True)
    cards, then, after = page.evaluate(
        """() => [document.querySelectorAll("details.card").length, window.open_then,
            document.querySelectorAll("details.card[open]").length]"""
    )
    page.close()
    assert printed.startswith(b"%PDF")
    assert cards > 3
    assert (then, after) == (cards, 0)


def test_the_page_holds_no_address_to_load_from(report: Path) -> None:
    text = report.read_text(encoding="utf-8")
    assert text.count("<img") >= 4
    for attribute in ('src="http', 'href="http', "url(http", "@import", '<link rel="stylesheet', 'src="//'):
        assert attribute not in text
    assert "&lt;b&gt;bold" in text


def test_the_same_folder_gives_the_same_files(tmp_path: Path, write_run: Callable[..., Path]) -> None:
    write_run()
    write_run(searcher="ax", srcc=0.91)
    written: list[dict[str, Any]] = []
    for name in ("one", "two"):
        write_report(tmp_path / "runs", tmp_path / name, scoring=None, progress=Progress())
        files = [path for path in (tmp_path / name).rglob("*") if path.is_file()]
        written.append({str(path.relative_to(tmp_path / name)): path.read_bytes() for path in files})
    assert written[0] == written[1]
    assert {"report.html", "report.md", "report.tex"} <= set(written[0])
    assert any(name.startswith("tables/") for name in written[0])
    assert any(name.startswith("figures/") for name in written[0])


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex, booktabs and adjustbox")
def test_latex_makes_a_document_of_it_and_no_table_leaves_the_page(report: Path) -> None:
    document = report.with_name("document.tex")
    document.write_text(
        r"\documentclass{article}\usepackage{booktabs,adjustbox}\begin{document}\input{report}\end{document}"
    )
    made = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", document.name],
        cwd=report.parent,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
    )
    assert made.returncode == 0, made.stdout
    assert document.with_suffix(".pdf").exists()
    assert "Overfull" not in made.stdout
