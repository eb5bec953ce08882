"""The report is one well-formed file that fetches nothing and tells what happened."""

import base64
import functools
import io
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from report_case import NAMES, make_results, make_rows

from jaxconv.report.history import series, tidy
from jaxconv.report.html import render_report, write_report
from jaxconv.runs import run_dir
from jaxconv.runs.run_dir import RunDirError

CONFIG = {"seed": 0, "augment": {"transforms": [["HorizontalFlip", {"p": 0.5}], ["Rotate", {}]]}}
ENVIRONMENT = {"device": {"backend": "cpu", "kind": "TFRT cpu", "count": 1}, "git": None}
HOSTILE = (
    """</td></pre></style><script src="//x.invalid/a.js">alert(1)</script>'"&amp;<img src=x>"""
)


class Page(HTMLParser):
    """Reads a page strictly: every tag closed in order; texts, tags and attributes collected."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.attributes, self.texts = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in ("meta", "link", "img", "col"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.texts.append(data)

    @property
    def text(self):
        return " ".join(self.texts).replace("\u00a0", " ")


def render(results=None, *, rows=None, config=CONFIG, environment=ENVIRONMENT, summary="Total: 1"):
    return render_report(
        results or make_results(),
        rows=make_rows(3) if rows is None else rows,
        config=config,
        environment=environment,
        summary=summary,
    )


@functools.cache
def usual_page():
    return render()


def test_nothing_is_fetched_run_or_sent():
    text = usual_page()
    page = Page(text)
    assert not {"script", "iframe", "object", "form", "a", "base"} & set(page.tags)
    for tag, name, value in page.attributes:
        if name in ("src", "href", "srcset", "action"):
            assert value.startswith("data:"), f"{tag} {name}"
        assert not name.startswith("on")
    assert "url(" not in text
    assert "@import" not in text
    policy = {name: value for _, name, value in page.attributes if "default-src" in value}
    assert "default-src 'none'" in policy["content"]


def test_everything_is_escaped():
    results = make_results(names=(HOSTILE, *NAMES[1:]))
    hostile_environment = ENVIRONMENT | {"command": HOSTILE, HOSTILE: {HOSTILE: [HOSTILE]}}
    hostile = render(
        results, config={HOSTILE: HOSTILE}, environment=hostile_environment, summary=HOSTILE
    )
    harmless = Page(usual_page())
    page = Page(hostile)
    assert set(page.tags) == set(harmless.tags)
    assert page.texts.count(HOSTILE) >= 5  # class names, configuration, environment and summary


def test_the_page_tells_the_headline_and_every_field():
    text = Page(usual_page()).text
    for part in (
        "85.00 %",
        "test accuracy on the 200 test images of shapes10, after 3 epochs.",
        "first of shapes10",
        "1 x TFRT cpu (cpu)",
        "193,376",
        "33.0 s",
        "for 3 epochs",
        "4,500 training images per second",
        "The highest test accuracy on the way was 65.00 %, at epoch 3.",
        "30 of 200 test images are misclassified.",
        "Total: 1",
        "seed",
        'augment.transforms ["HorizontalFlip", {"p": 0.5}]\n["Rotate", {}]',
        "device.kind TFRT cpu",
        "git null",
        *NAMES,
    ):
        assert part in text


def test_each_class_has_its_accuracy_and_its_favourite_mistake():
    labels = make_results().test_labels
    results = make_results(wrong=30)
    text = Page(usual_page()).text
    for index, name in enumerate(NAMES):
        accuracy = 100 * np.mean(results.outputs[labels == index] == index)
        taken_for = NAMES[(index + 1) % 10]
        assert f"{name} {accuracy:.1f} %" in text
        assert f"{taken_for} (3)" in text


def images_of(text, heading):
    """The pictures and captions below a heading, up to the next one."""
    part = text.split(f">{heading}</h")[1].split("<h")[0]
    pairs = re.findall(r'src="data:image/png;base64,([^"]*)"[^>]*><figcaption>([^<]*)<', part)
    return [
        (np.asarray(Image.open(io.BytesIO(base64.b64decode(data)))), caption.replace("\u00a0", " "))
        for data, caption in pairs
    ]


WRONG = ("Correct", "Output")


@pytest.mark.parametrize("channels", [1, 3])
def test_mistakes_and_close_calls_are_the_right_images_with_their_probabilities(channels):
    results = make_results(wrong=12, channels=channels)
    text, labels, outputs = render(results), results.test_labels, results.outputs
    confidence = results.probabilities.max(axis=1)
    wrong = np.flatnonzero(outputs != labels)
    right = np.flatnonzero(outputs == labels)
    expected = {
        "Misclassified, the first in the order of the test set": wrong,
        "Most confident mistakes": wrong[np.argsort(-confidence[wrong])],
        "Least confident hits": right[np.argsort(confidence[right])],
    }
    for heading, indices in expected.items():
        shown = images_of(text, heading)
        assert len(shown) == 10
        for index, (picture, caption) in zip(indices, shown, strict=False):
            np.testing.assert_array_equal(picture, results.test_images[index].squeeze())
            choices = np.argsort(-results.probabilities[index], kind="stable")
            other = choices[1] if heading == "Least confident hits" else choices[0]
            words = ("Right", "Next") if heading == "Least confident hits" else WRONG
            assert caption == "\n".join(
                f"{word}: {NAMES[choice]} ({100 * results.probabilities[index, choice]:.1f} %)"
                for word, choice in zip(words, (labels[index], other), strict=True)
            )


def test_samples_and_augmentations_are_shown_under_their_names():
    results, text = make_results(), usual_page()
    shown = images_of(text, "One image under each augmentation")
    for (picture, caption), (name, image) in zip(shown, results.augmentations, strict=True):
        assert caption == name
        np.testing.assert_array_equal(picture, image)
    assert [caption for _, caption in images_of(text, "Data")] == [*NAMES, *NAMES]


@pytest.mark.parametrize("wrong", [0, 200])
def test_perfect_and_hopeless_networks_have_a_report(wrong):
    text = Page(render(make_results(wrong=wrong))).text
    assert text.count("There are none.") == (2 if wrong == 0 else 1)


@pytest.mark.parametrize("epochs", [0, 1])
def test_a_report_of_hardly_any_epochs(epochs):
    text = Page(render(make_results(epoch=epochs), rows=make_rows(epochs))).text
    assert ("after 1 epoch." if epochs else "after 0 epochs.") in text


def test_write_report_leaves_the_page_and_its_figures(tmp_path):
    run = run_dir.create(tmp_path)
    results = make_results()
    for make, missing in (
        (lambda: run_dir.claim(run, CONFIG), "config.json"),
        (lambda: run_dir.write_json(run.environment_json, ENVIRONMENT), "environment.json"),
        (lambda: run.summary_txt.write_text("Total: 1"), "summary.txt"),
    ):
        with pytest.raises(RunDirError, match=f"cannot read .*{missing}"):
            write_report(run, results)
        make()
    for row in make_rows(3):
        run_dir.append_metrics(run, row)
    assert write_report(run, results) == run.report_html
    Page(run.report_html.read_text(encoding="utf-8"))
    assert {path.name for path in run.figures.iterdir()} == {
        f"{name}.png"
        for name in (
            "augmentations",
            "calibration",
            "confusion_matrix",
            "curves",
            "misclassified",
            "samples",
            "schedule",
        )
    }


DAMAGES = (..., None, "87", [1], True, 10**400)
FIELDS = (
    "step", "lr", "momentum", "train_loss", "train_accuracy", "test_loss", "test_accuracy",
    "seconds", "images_per_second",
)  # fmt: skip


@pytest.mark.parametrize("field", FIELDS)
def test_a_damaged_row_costs_its_value_and_no_more(field):
    rows = make_rows(6)
    for row, damage in zip(rows, DAMAGES, strict=True):
        row[field] = damage
        if damage is ...:
            del row[field]
    rows.append({"epoch": 6, field: 1.0})  # the epoch once more: this row counts
    for other in set(FIELDS) - {field}:
        epochs, _ = series(tidy(rows), other)
        assert epochs == [1, 2, 3, 4, 5]
    assert series(tidy(rows), field) == ([6], [1.0])


def test_damaged_rows_have_a_report():
    rows = [row | {field: "?"} for row, field in zip(make_rows(9), FIELDS, strict=True)]
    assert "85.00 %" in Page(render(rows=tidy(rows))).text


def test_rows_of_nothing_have_a_report():
    page = Page(render(rows=tidy([{"epoch": 1}, {"step": 3}])))
    assert "The highest test accuracy" not in page.text
    assert "- training images per second" in page.text


@pytest.mark.parametrize("environment", [{}, {"device": None}, {"device": [1], "versions": 3}])
def test_an_environment_that_lacks_something_is_shown_as_it_is(environment):
    page = Page(render(environment=environment))
    assert "Device: unknown x unknown (unknown)." in page.text


def test_results_refuse_logits():
    good = make_results()
    fields = {name: getattr(good, name) for name in good.__dataclass_fields__}
    with pytest.raises(ValueError, match="apply a softmax to logits first"):
        type(good)(**fields | {"probabilities": np.log(good.probabilities)})


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PROBE = """<body><iframe src="report.html" style="width:{width}px;height:800px;border:0"></iframe>
<script>onload = () => {{ const inner = document.querySelector("iframe").contentWindow;
  const page = inner.document.documentElement;
  const shown = [...inner.document.images].filter(image => image.naturalWidth).length;
  document.title = `${{page.scrollWidth}} px wide, ${{shown}} pictures shown`;
}}</script>"""


def browse(folder, text, *, width):
    """The page of `text` in a window of `width` px: what a probe saw, and the browser's console."""
    (folder / "report.html").write_text(text, encoding="utf-8")
    (folder / "probe.html").write_text(PROBE.format(width=width), encoding="utf-8")
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--hide-scrollbars", "--allow-file-access-from-files", "--enable-logging=stderr",
        f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000",
        "--dump-dom", (folder / "probe.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    seen = re.search("<title>(.*)</title>", done.stdout)[1]
    return seen, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]


needs_browser = pytest.mark.skipif(
    CHROMIUM is None, reason="needs chromium or google-chrome on the PATH"
)


@needs_browser
@pytest.mark.parametrize("width", [400, 1280])
def test_a_browser_lays_the_page_out_within_its_width(width, tmp_path):
    pictures = usual_page().count("<img")
    seen, console = browse(tmp_path, usual_page(), width=width)
    assert seen == f"{width} px wide, {pictures} pictures shown"
    assert console == []


@needs_browser
def test_a_browser_refuses_a_planted_address_and_says_so(tmp_path):
    planted = usual_page().replace("<main>", '<main><img src="http://x.invalid/a.png" alt="">', 1)
    _, (line, *_) = browse(tmp_path, planted, width=400)
    assert "violates the following Content Security Policy directive" in line
