"""The page in a real browser: it draws, it is quiet, it asks nobody for anything, and names do nothing."""

import csv
import io
import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from datapare.artifacts import Comparison, Dynamics, Provenance, Scores, Subset
from datapare.data import open_dataset
from datapare.reporting import report

BREAKOUT = '</script><img src=x onerror="window.hacked=1">'
ATTACK = BREAKOUT + '<b>bold</b> &lt;i&gt; <a href="javascript:window.hacked=1">x</a>'
N = 60


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    from selenium import webdriver

    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        reason = "chromium and chromedriver are not installed: the report was not looked at"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    profile = tmp_path_factory.mktemp("profile")
    for flag in (
        *("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"),
        *("disable-component-update", "disable-sync", "disable-dev-shm-usage", "window-size=1280,1600"),
        f"user-data-dir={profile}",
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
    yield started
    started.quit()


def hostile_nouns(folder):
    """Artefacts whose every name is an attack."""
    path = folder / "people.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", f"age{ATTACK}", "colour", "label"])
        writer.writerows([f"{i}{ATTACK}", 20 + i, ATTACK, f"{i % 2}{ATTACK}"] for i in range(N))
    data = open_dataset(path, id="id", kind="table")
    rng = np.random.default_rng(0)
    p = rng.uniform(0.05, 0.95, (5, N)).astype(np.float32)
    p[1, :6] = np.nan
    provenance = Provenance("record", ATTACK, {ATTACK: ATTACK, "epochs": 5}, 0, ATTACK, {ATTACK: ATTACK})
    channels = {"target_prob": p, "margin": np.log(p / (1 - p))}
    d = Dynamics(channels=channels, label=data.label, classes=data.classes, provenance=provenance)
    s = Scores(rng.uniform(size=N), provenance=Provenance("score", ATTACK, parents=(provenance,)))
    chosen = Subset(
        np.arange(0, N, 3), N, provenance=Provenance("select", "beta", {"c_d": 4.0}, 0, parents=(s.provenance,))
    )
    accuracy = np.array([[0.8, 0.82, 0.81], [0.7, 0.71, 0.69], [0.9, 0.9, 0.91]])
    names = (f"dual+beta {ATTACK}", "random", "full")
    compared = Comparison(names, (0, 1, 2), accuracy, [20, 20, 60], 30 * accuracy, 60 * accuracy)
    return chosen, {"scores": s, "dynamics": d, "data": data, "comparison": compared, "title": ATTACK}


@pytest.fixture(scope="module")
def opened(browser, tmp_path_factory):
    """The browser with the hostile page open and drawn, and what it logged on the way."""
    from selenium.webdriver.support.ui import WebDriverWait

    folder = tmp_path_factory.mktemp("page")
    chosen, artifacts = hostile_nouns(folder)
    (folder / "report.html").write_text(report(chosen, **artifacts), encoding="utf-8")
    browser.get_log("performance")
    browser.get((folder / "report.html").as_uri())
    WebDriverWait(browser, 30).until(lambda b: b.execute_script("return document.body.dataset.drawn") == "all")
    return browser


def requested(browser):
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    return [url for url in sent if not url.startswith(("data:", "blob:", "chrome:"))]


def test_it_asks_for_nothing_but_itself(opened):
    urls = requested(opened)
    assert len(urls) == 1
    assert urls[0].startswith("file://")


def test_the_console_stays_silent(opened):
    assert [entry["message"] for entry in opened.get_log("browser")] == []


def test_every_figure_is_drawn(opened):
    count = "return document.querySelectorAll(arguments[0]).length"
    figures = opened.execute_script("return [...document.querySelectorAll('[data-figure]')].map(e => e.dataset.figure)")
    assert figures == ["accuracy", "moon", "scores", "probability", "coverage"]
    assert opened.execute_script(count, ".chart svg.main-svg") >= len(figures)
    assert opened.execute_script(count, "#figure-moon .scatterlayer .point") == N
    assert opened.execute_script(count, "#figure-accuracy .scatterlayer .point") == 12
    assert opened.execute_script(count, "#figure-accuracy .errorbar") == 3
    assert opened.execute_script(count, "#figure-scores .barlayer .point path") > 20
    assert opened.execute_script(count, "#figure-probability .scatterlayer path.js-line") == 1


def test_names_are_shown_and_do_nothing(opened):
    assert opened.execute_script("return window.hacked === undefined")
    assert opened.execute_script("return document.querySelectorAll('img, .chart a[*|href], .chart b').length") == 0
    ticks = opened.execute_script("return document.querySelector('#figure-accuracy .yaxislayer-above').textContent")
    assert "dual+beta </script><" in ticks
    heading = opened.execute_script("return document.querySelector('.eyebrow').textContent")
    assert heading == ATTACK
    hover = "Plotly.Fx.hover('figure-moon', [{curveNumber: 1, pointNumber: 0}]); "
    shown = opened.execute_script(hover + "return document.querySelector('#figure-moon .hoverlayer').textContent")
    assert "0</script><img src=x" in shown
    assert "</a>" in shown


def test_an_injected_script_would_not_run(opened):
    """Even if escaping failed, the page's own policy lets no script run but the two it came with."""
    opened.execute_script("""
        const script = document.createElement("div");
        script.innerHTML = '<img src="data:image/png;base64,x" onerror="window.hacked = 1">';
        document.body.append(script);
    """)
    opened.execute_async_script("setTimeout(arguments[0], 300)")
    assert opened.execute_script("return window.hacked === undefined")
    opened.get_log("browser")  # the refusal is logged, as it should be


def test_nothing_can_be_uploaded(opened):
    titles = opened.execute_script("return [...document.querySelectorAll('.modebar-btn')].map(e => e.dataset.title)")
    assert titles
    assert not any("share" in title.lower() or "cloud" in title.lower() for title in titles)


@pytest.mark.parametrize("width", [1280, 400])
def test_it_fits_the_window(opened, width):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    opened.execute_async_script("setTimeout(arguments[0], 500)")
    needed = opened.execute_script("return document.documentElement.scrollWidth")
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert needed <= width


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_is_not_blank(opened, scheme):
    feature = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
    opened.execute_async_script("document.querySelector('#scores').scrollIntoView(); setTimeout(arguments[0], 800)")
    picture = Image.open(io.BytesIO(opened.get_screenshot_as_png())).convert("RGB")
    pixels = np.asarray(picture, dtype=np.int16)
    background = pixels[5, 5]
    assert (background.mean() > 128) == (scheme == "light")
    share = (np.abs(pixels - background).sum(axis=2) > 60).mean()
    assert 0.005 < share < 0.5
    for colour in ((43, 123, 186), (217, 115, 13)):  # kept and dropped are both on it
        assert (np.abs(pixels - np.array(colour)).sum(axis=2) < 40).sum() > 50


def test_density_maps_are_drawn_above_the_limit(browser, tmp_path):
    from selenium.webdriver.support.ui import WebDriverWait

    n = 20_001
    p = np.random.default_rng(0).uniform(size=(4, n)).astype(np.float32)
    d = Dynamics(channels={"target_prob": p}, label=np.arange(n) % 3)
    (tmp_path / "report.html").write_text(report(Subset(np.arange(0, n, 4), n), dynamics=d), encoding="utf-8")
    browser.get((tmp_path / "report.html").as_uri())
    WebDriverWait(browser, 30).until(lambda b: b.execute_script("return document.body.dataset.drawn") == "all")
    assert browser.execute_script("return document.querySelectorAll('.heatmaplayer image').length") == 2
    assert browser.execute_script("return document.querySelector('#figure-moon')") is None
    assert browser.get_log("browser") == []
