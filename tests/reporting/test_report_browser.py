"""The page in a real browser: it draws, reacts, requests nothing, and names from the data do nothing."""

import base64
import csv
import io
import json
import os
import shutil
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from datapare.artifacts import Comparison, Dynamics, Provenance, Scores, Subset, subset_digest
from datapare.data import open_dataset
from datapare.pipeline.label_decisions import read_examples, spreadsheet_cell
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


def hostile_nouns(folder, attack=ATTACK):
    """Artifacts whose every name is an attack."""
    path = folder / "people.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", f"age{attack}", "colour", "label"])
        writer.writerows([f"{i}{attack}", 20 + i % 50, attack, f"{i % 2}{attack}"] for i in range(N))
    data = open_dataset(path, id="id", kind="table")
    rng = np.random.default_rng(0)
    p = rng.uniform(0.05, 0.95, (5, N)).astype(np.float32)
    p[1, :6] = np.nan
    provenance = Provenance("record", attack, {attack: attack, "epochs": 5}, 0, attack, {attack: attack})
    channels = {"target_prob": p, "margin": np.log(p / (1 - p))}
    arrays = {"embedding": rng.normal(size=(N, 4)), "logit_mean": rng.normal(size=(N, 2))}
    d = Dynamics(channels, data.label, arrays, classes=data.classes, provenance=provenance)
    s = Scores(rng.uniform(size=N), provenance=Provenance("score", attack, parents=(provenance,)))
    chosen = Subset(
        np.arange(0, N, 3), N, provenance=Provenance("select", "beta", {"c_d": 4.0}, 0, parents=(s.provenance,))
    )
    accuracy = np.array([[0.8, 0.82, 0.81], [0.7, 0.71, 0.69], [0.9, 0.9, 0.91]])
    names = (f"dual+beta {attack}", "random", "full")
    compared = Comparison(
        names, (0, 1, 2), accuracy, [20, 20, 60], 30 * accuracy, 60 * accuracy, ("subset", "random", "full"),
        subset_digest=(subset_digest(chosen), "", ""),
    )  # fmt: skip
    return chosen, {"scores": s, "dynamics": d, "data": data, "comparison": compared, "title": attack}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    return hostile_nouns(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def opened(browser, hostile, tmp_path_factory):
    """The browser with the hostile page open and drawn, and what it logged on the way."""
    folder = tmp_path_factory.mktemp("page")
    chosen, artifacts = hostile
    page = report(chosen, **artifacts).save(folder / "report.html")
    browser.get_log("performance")
    browser.get(page.as_uri())
    wait_until_live(browser)
    return browser


def wait_until_live(browser):
    from selenium.webdriver.support.ui import WebDriverWait

    live = "return document.body.classList.contains('live')"
    WebDriverWait(browser, 30).until(lambda b: b.execute_script(live))


@pytest.fixture
def page(opened):
    """The page without filters, rectangles, open cards or picks."""
    yield opened
    opened.execute_script("""
        document.getElementById("card").close();
        document.getElementById("reset").click();
        picked.clear(); showPicks(); scrollTo(0, 0);
    """)


def count(browser, css):
    return browser.execute_script("return document.querySelectorAll(arguments[0]).length", css)


def text(browser, css):
    return browser.execute_script("return document.querySelector(arguments[0]).textContent", css)


def set_field(browser, name, value):
    browser.execute_script("""
        const field = document.getElementById(arguments[0]);
        field.value = arguments[1];
        field.dispatchEvent(new Event(field.tagName === "SELECT" ? "change" : "input"));
    """, name, value)  # fmt: skip


def at_point(browser, name, position):
    """Where an example lies on a map, in pixels from the middle of the plot."""
    return browser.execute_script("""
        const plot = document.querySelector(`[data-map="${arguments[0]}"]`);
        plot.scrollIntoView({block: "center", behavior: "instant"});
        const point = plot.points[placeOf.get(arguments[1])], frame = plot.getBoundingClientRect();
        return [(point[0] / 1000 - 0.5) * frame.width, (point[1] / 1000 - 0.5) * frame.height];
    """, name, position)  # fmt: skip


def matches(browser):
    """Positions of the examples that the filters leave, as far as shown."""
    items = "[...document.querySelectorAll('#matches [data-example]')]"
    return browser.execute_script(f"return {items}.map(e => Number(e.dataset.example))")


def plot_of(browser, name):
    return browser.find_element("css selector", f'[data-map="{name}"]')


def requested(browser):
    """What was asked for, without what the tab that the browser starts with asks for."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [m["params"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    sent = [each["request"]["url"] for each in sent if not each["documentURL"].startswith("chrome")]
    return [url for url in sent if not url.startswith(("data:", "blob:"))]


def test_it_asks_for_nothing_but_itself(opened):
    urls = requested(opened)
    assert len(urls) == 1
    assert urls[0].startswith("file://")


def test_the_console_stays_silent(opened):
    assert [entry["message"] for entry in opened.get_log("browser")] == []


def test_every_figure_is_drawn(opened):
    drawn = [
        count(opened, f"#{name} .chart") for name in ("frontier", "comparison", "data_map", "embedding_map", "scores")
    ]
    assert drawn == [3, 1, 1, 1, 1]
    drawn = opened.execute_script("""
        return [...document.querySelectorAll(".chart svg")].map((svg) => {
            const {width, height} = svg.getBoundingClientRect();
            return width > 100 && height > 20 && svg.querySelectorAll("path, rect").length > 0;
        });
    """)
    assert len(drawn) == 3 + 3 + 2 + 2 + 3  # three frontiers; a strip an arm; each map has a layer above it
    assert all(drawn)


def test_names_are_shown_and_do_nothing(opened):
    assert opened.execute_script("return window.hacked === undefined")
    assert count(opened, "img, main a, main b > b, .chart b") == 0
    assert "dual+beta </script><" in text(opened, ".strip-name")
    assert text(opened, ".eyebrow") == ATTACK
    assert f"age{ATTACK}" in text(opened, "#examples thead")
    open_card = "open(placeOf.get(0), known); return document.getElementById('card').textContent"
    shown = opened.execute_script(open_card)
    assert f"0{ATTACK}" in shown
    opened.execute_script("showTip(3, 10, 10)")
    assert f"3{ATTACK}" in text(opened, "#tip")
    assert count(opened, "#card img, #card a, #tip img, #tip a") == 0
    opened.execute_script("document.getElementById('card').close(); hideTip()")
    assert opened.execute_script("return window.hacked === undefined")


def test_pointing_at_an_example_shows_it(page):
    from selenium.webdriver import ActionChains

    x, y = at_point(page, "data-map", 6)
    ActionChains(page).move_to_element_with_offset(plot_of(page, "data-map"), x, y).perform()
    assert f"6{ATTACK}" in text(page, "#tip")
    assert "kept" in text(page, "#tip")
    ActionChains(page).move_to_element(page.find_element("css selector", "h1")).perform()
    assert not page.find_element("id", "tip").is_displayed()


@pytest.mark.parametrize("name", ["data-map", "embedding-map"])
def test_a_click_opens_the_card_of_the_example(page, name):
    from selenium.webdriver import ActionChains, Keys

    i = page.execute_script("""
        const points = document.querySelector(`[data-map="${arguments[0]}"]`).points;
        const apart = (a, b) => Math.hypot(points[a][0] - points[b][0], points[a][1] - points[b][1]);
        const room = (a) => Math.min(...known.filter((b) => b !== a).map((b) => apart(a, b)));
        return known.filter((a) => !data.kept[a]).sort((a, b) => room(b) - room(a))[0];
    """, name)  # fmt: skip
    x, y = at_point(page, name, i)
    ActionChains(page).move_to_element_with_offset(plot_of(page, name), x, y).click().perform()
    card = page.find_element("id", "card")
    assert card.is_displayed()
    facts = dict(
        page.execute_script(
            "const words = [...document.querySelectorAll('#card .known dt')];"
            "return words.map(e => [e.textContent, e.nextSibling.textContent])"
        )
    )
    held = page.execute_script(
        "return Object.fromEntries(['score', 'rank', 'predicted', 'mean'].map(k => [k, data[k][arguments[0]]]))", i
    )
    assert facts["label"] == f"{i % 2}{ATTACK}"
    assert facts["predicted"] == f"{held['predicted']}{ATTACK}"
    assert facts["subset"] == f"dropped, not chosen by beta: score rank {held['rank']} of {N}"
    assert float(facts["score"]) == pytest.approx(held["score"], rel=0.01)
    assert float(facts["mean probability"]) == pytest.approx(held["mean"], abs=0.001)
    assert count(page, "#card .spark path[d^='M']") == 1
    assert count(page, "#card .near li") == 6
    title = text(page, "#card .top .name")
    ActionChains(page).send_keys(Keys.ARROW_RIGHT).perform()
    assert text(page, "#card .top .name") != title
    ActionChains(page).send_keys(Keys.ESCAPE).perform()
    assert not card.is_displayed()


def test_the_curve_of_a_card_is_the_recorded_probability(page):
    path = page.execute_script(
        "open(placeOf.get(2), known); return document.querySelector('#card .spark path').getAttribute('d')"
    )
    steps = [tuple(map(float, step.split())) for step in path[1:].split("L")]
    p = np.random.default_rng(0).uniform(0.05, 0.95, (5, N)).astype(np.float32)
    assert [x for x, _ in steps] == [0, 500, 750, 1000]  # not observed in epoch 1
    np.testing.assert_allclose([1 - y / 1000 for _, y in steps], p[[0, 2, 3, 4], 2], atol=0.004)


def test_a_rectangle_on_the_map_filters_the_examples(page):
    from selenium.webdriver import ActionChains

    plot = plot_of(page, "data-map")
    at_point(page, "data-map", 0)  # scrolls there
    width, height = plot.size["width"], plot.size["height"]
    drag = ActionChains(page).move_to_element_with_offset(plot, -width * 0.45, -height * 0.45).click_and_hold()
    drag.move_by_offset(int(width * 0.5), int(height * 0.5)).release().perform()
    inside = page.execute_script("""
        const [xs, ys] = data.places["data-map"], within = (value, ends) => value >= ends[0] && value <= ends[1];
        return known.filter((m) => within(xs[m], box.x) && within(ys[m], box.y));
    """)
    assert 0 < len(inside) < N
    assert text(page, "#count") == f"{len(inside)} of {N} examples, in the rectangle on the map"
    shown = matches(page)
    assert sorted(shown) == inside[:24] if len(inside) <= 24 else set(shown) < set(inside)
    dots = page.execute_script("return ['kept', 'dropped'].map(k => arguments[0][k].getAttribute('d')).join('')", plot)
    assert dots.count("M") == len(inside)
    page.execute_script("document.getElementById('reset').click()")
    assert text(page, "#count") == f"{N} examples"
    assert not page.find_element("css selector", ".brush").is_displayed()


def test_filters_narrow_the_examples(page):
    scores = page.execute_script("return data.score")
    set_field(page, "by-class", "1")
    assert text(page, "#count") == f"30 of {N} examples"
    set_field(page, "by-fate", "1")
    assert text(page, "#count") == f"10 of {N} examples"
    chosen = [i for i in range(N) if i % 2 == 1 and i % 3 == 0]
    middle = sorted(scores[i] for i in chosen)[5]
    set_field(page, "score-low", str(middle))
    set_field(page, "by-order", "-score")
    shown = matches(page)
    assert shown == sorted((i for i in chosen if scores[i] >= middle), key=lambda i: -scores[i])
    page.execute_script("document.getElementById('by-wrong').click()")
    predicted = page.execute_script("return data.predicted")
    assert count(page, "#matches li") == sum(predicted[i] != 1 for i in shown)


def test_picked_examples_are_a_list_that_select_reads(page, hostile, tmp_path):
    page.execute_script("document.querySelector('#matches button').click()")
    set_field(page, "by-class", "0")
    set_field(page, "by-fate", "0")
    page.execute_script("document.getElementById('pick-all').click()")
    first = page.execute_script("return data.index[[...picked][0]]")
    wanted = sorted({first, *(i for i in range(N) if i % 2 == 0 and i % 3)})
    link = page.execute_script("return document.querySelector('#picks a').href")
    assert page.execute_script("return document.querySelector('#picks a').download") == "picked.csv"
    picked = tmp_path / "picked.csv"
    picked.write_text(unquote(link.split(",", 1)[1]), encoding="utf-8")
    assert read_examples(picked, hostile[1]["data"]) == wanted
    rows = list(csv.DictReader(io.StringIO(picked.read_text(encoding="utf-8"))))
    assert [int(row["position"]) for row in rows] == wanted
    assert [row["name"] for row in rows] == [f"{i}{ATTACK}" for i in wanted]
    keys = page.execute_script("return data.key")
    assert [row["key"] for row in rows] == [keys[i] for i in wanted]
    assert text(page, "#picks b") == f"{len(wanted)} picked"
    for cell in ("=1", "a;=1", "plain", "'@x", " -1", "\uff1d1", "a\tb\n=1", 'a"+'):
        assert page.execute_script("return inCell(arguments[0])", cell) == spreadsheet_cell(cell)


def test_a_row_of_a_gallery_opens_its_card(page):
    row = page.find_element("css selector", "#examples table tbody tr")
    page.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", row)
    row.find_element("css selector", "td").click()
    assert page.find_element("id", "card").is_displayed()
    assert text(page, "#card .top .name") == row.find_element("css selector", "th").text


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


@pytest.mark.parametrize("width", [2200, 1280, 400])
def test_it_fits_the_window(opened, width):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    opened.execute_async_script("setTimeout(arguments[0], 500)")
    needed = opened.execute_script("return document.documentElement.scrollWidth")
    wordy = '[...document.querySelectorAll("td.name")].filter(cell => cell.innerText.length > 60)'
    widths = opened.execute_script(f"return {wordy}.map(cell => cell.clientWidth)")
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert needed <= width
    assert min(widths) > 150  # of cells with many words, whole ones


def test_it_uses_the_width(opened):
    metrics = {"width": 1900, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    frame = "const {left, right, top} = document.querySelector(arguments[0]).getBoundingClientRect(); "
    left, right, filters = (
        opened.execute_script(frame + "return [left, right, top]", css)
        for css in ("#data_map", "#embedding_map", ".filters")
    )
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert left[2] == right[2]  # side by side
    assert left[1] < right[0]
    assert filters[1] - filters[0] > 1700


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_picture_is_not_blank(opened, scheme):
    feature = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
    opened.execute_async_script(
        "document.querySelector('#scores').scrollIntoView({behavior: 'instant'}); setTimeout(arguments[0], 300)"
    )
    picture = Image.open(io.BytesIO(opened.get_screenshot_as_png())).convert("RGB")
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    pixels = np.asarray(picture, dtype=np.int16)
    background = pixels[5, 5]
    assert (background.mean() > 128) == (scheme == "light")
    share = (np.abs(pixels - background).sum(axis=2) > 60).mean()
    assert 0.005 < share < 0.5
    colours = {"light": ((43, 123, 186), (194, 98, 10)), "dark": ((90, 165, 221), (239, 154, 77))}
    for colour in colours[scheme]:  # kept and dropped are both on it
        assert (np.abs(pixels - np.array(colour)).sum(axis=2) < 40).sum() > 50


def printed(browser, page):
    """The pages of a report on paper."""
    from pypdfium2 import PdfDocument

    browser.get(page.as_uri())
    wait_until_live(browser)
    made = browser.execute_cdp_cmd(
        "Page.printToPDF", {"printBackground": True, "paperWidth": 8.27, "paperHeight": 11.69}
    )
    return PdfDocument(base64.b64decode(made["data"]))


def check_full(document):
    """No page but the last one is left half empty, and that one holds more than the end of something."""
    pages = [page.render(scale=0.5).to_numpy().min(axis=2) for page in document]
    assert len(pages) >= 2
    for page in pages[:-1]:
        rows = np.flatnonzero((page < 250).any(axis=1))
        assert rows[-1] > 0.6 * len(page)
    assert np.flatnonzero((pages[-1] < 250).any(axis=1))[-1] > 0.15 * len(pages[-1])


def test_a_printed_report_leaves_no_page_half_empty(browser, tmp_path):
    chosen, artifacts = hostile_nouns(tmp_path, attack="")
    check_full(printed(browser, report(chosen, **artifacts).save(tmp_path / "report.html")))


def test_a_wide_table_is_legible_on_paper(browser, tmp_path):
    rng = np.random.default_rng(0)
    columns = [f"measurement number {n}" for n in range(30)]
    rows = [",".join(f"{value:.4f}" for value in rng.normal(size=30)) + f",{'ab'[i % 2]}" for i in range(N)]
    (tmp_path / "wide.csv").write_text("\n".join([",".join([*columns, "label"]), *rows]))
    data = open_dataset(tmp_path / "wide.csv", label="label")
    d = Dynamics({"target_prob": rng.uniform(size=(4, N)).astype(np.float32)}, data.label, classes=data.classes)
    made = report(Subset(np.arange(0, N, 2), N), dynamics=d, data=data).save(tmp_path / "report.html")
    document = printed(browser, made)
    assert len(document) <= 5
    words = " ".join(page.get_textpage().get_text_range() for page in document).split()
    assert words.count("measurement") >= 4  # whole, not a letter a line
    check_full(document)


def test_the_maps_of_a_large_dataset_fill_the_page_on_paper(browser, tmp_path):
    n = 20_001
    p = np.random.default_rng(0).uniform(size=(4, n)).astype(np.float32)
    d = Dynamics(channels={"target_prob": p}, label=np.arange(n) % 3)
    check_full(printed(browser, report(Subset(np.arange(0, n, 4), n), dynamics=d).save(tmp_path / "report.html")))


def test_images_are_shown_where_they_are_pointed_at(browser, tmp_path):
    rng = np.random.default_rng(0)
    data = open_dataset((rng.integers(0, 255, (40, 8, 8), dtype=np.uint8), [f"class {i % 2}" for i in range(40)]))
    p = rng.uniform(0.05, 0.95, (4, 40)).astype(np.float32)
    d = Dynamics({"target_prob": p}, data.label, classes=data.classes)
    browser.get(report(Subset(np.arange(0, 40, 2), 40), dynamics=d, data=data).save(tmp_path / "r.html").as_uri())
    wait_until_live(browser)
    for position in range(40):
        image = browser.execute_script(
            "showTip(placeOf.get(arguments[0]), 9, 9); return document.querySelector('#tip img').src", position
        )
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(image.split(",", 1)[1]))).convert("L"))
        assert np.array_equal(pixels, data.array[position][..., 0])
    assert browser.get_log("browser") == []


def test_a_sample_is_shown_above_the_limit(browser, tmp_path):
    n = 20_001
    p = np.random.default_rng(0).uniform(size=(4, n)).astype(np.float32)
    d = Dynamics(channels={"target_prob": p}, label=np.arange(n) % 3)
    browser.get(report(Subset(np.arange(0, n, 4), n), dynamics=d).save(tmp_path / "report.html").as_uri())
    wait_until_live(browser)
    assert count(browser, "#data_map .plot") == 3
    assert browser.execute_script("return data.index.length") == 5000
    assert browser.get_log("browser") == []
