"""The explorer's page as the package ships it: one whole file, that says what jaxconv computes."""

import base64
import json
import re
import sys
import webbrowser
from pathlib import Path

import numpy as np
import pytest

from jaxconv import cli
from jaxconv.explorer import page

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "explorer" / "cases"
HTML = page.PAGE.read_text(encoding="utf-8")


def test_page_is_one_small_file():
    assert page.PAGE.stat().st_size <= 1_500_000
    assert HTML.startswith("<!doctype html>")
    assert HTML.count("<script") == 1


def test_page_asks_for_nothing():
    """No address is loaded, and its own policy forbids it to be."""
    assert "default-src 'none'" in HTML
    assert "connect-src" not in HTML  # so the default holds: nothing can be fetched
    loads = re.findall(
        r"""(?:\ssrc=|\shref=|url\(|\bimport\s*\(|@import)\s*["']?([^"')\s>]+)""", HTML
    )
    assert [address for address in loads if re.match(r"(https?:)?//", address)] == []
    assert not re.search(r"\b(fetch|XMLHttpRequest|WebSocket|EventSource|importScripts)\s*\(", HTML)


def test_page_carries_the_stored_pytorch_cases_byte_for_byte():
    for path in (ROOT / "tests/torch_results/grid.npz", CASES / "torch.npz", CASES / "line.npz"):
        assert base64.b64encode(path.read_bytes()).decode() in HTML, path


def test_page_carries_the_weights_of_the_package():
    """The packed kernels are within 2**-20 of each channel's largest weight."""
    from safetensors.numpy import load_file

    from jaxconv.weights.pretrained import PRETRAINED

    tensors = load_file(PRETRAINED)
    texts = re.findall(r"[A-Za-z0-9+/=]{200000,}", HTML)
    (packed,) = (data for data in map(base64.b64decode, texts) if data[:2] != b"PK")  # no zip
    head_end = 4 + int.from_bytes(packed[:4], "little")
    entries = json.loads(packed[4:head_end])["entries"]
    assert {entry["name"] for entry in entries} == set(tensors)
    at = head_end
    for entry in entries:
        expected = tensors[entry["name"]]
        assert expected.shape == tuple(entry["shape"])
        if not entry["packed"]:
            found = np.frombuffer(packed, "<f4", expected.size, at).reshape(expected.shape)
            np.testing.assert_array_equal(found, expected)
            at += 4 * expected.size
            continue
        scales = np.frombuffer(packed, "<f4", expected.shape[-1], at)
        at += 4 * len(scales)
        length = -(-5 * expected.size // 2)
        found = _twenty_bits(packed[at : at + length], expected.size) - (2**19 - 1)
        at += length
        apart = np.abs(found.reshape(expected.shape) * scales - expected)
        assert (apart <= 0.51 * scales).all()
    assert at == len(packed)


def _twenty_bits(data, count):
    """Whole numbers of 20 bits, the lowest bits first."""
    bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")[: 20 * count]
    return bits.reshape(count, 20).astype(np.int64) @ (1 << np.arange(20))


def test_networks_expectations_are_what_the_package_computes():
    """explorer/test/network.test.ts holds the page to this file."""
    sys.path.insert(0, str(CASES))
    try:
        import network
    finally:
        sys.path.remove(str(CASES))
    stored, computed = json.loads((CASES / "network.json").read_text()), network.compute()
    np.testing.assert_allclose(computed["logits"], stored["logits"], atol=1e-4)
    np.testing.assert_allclose(computed["means"], stored["means"], atol=1e-5)
    np.testing.assert_allclose(computed["numbers"], stored["numbers"], atol=1e-4)
    assert computed["shapes"] == stored["shapes"]


def test_write_page_copies_it(tmp_path):
    out = tmp_path / "a folder" / "explorer.html"
    assert page.write_page(out) == out
    assert out.read_bytes() == page.PAGE.read_bytes()


def test_write_page_refuses_a_folder(tmp_path):
    with pytest.raises(OSError, match=r"directory|denied|Is a"):
        page.write_page(tmp_path)


@pytest.mark.parametrize("opens", [True, False])
def test_open_page_goes_to_the_state(monkeypatch, tmp_path, opens):
    asked = []
    monkeypatch.setattr(webbrowser, "open", lambda address: asked.append(address) or opens)
    copy = page.write_page(tmp_path / "my page.html")
    assert page.open_page(copy, state="v=transpose&n=4") is opens
    assert asked == [f"{copy.as_uri()}#v=transpose&n=4"]
    assert "my%20page.html" in asked[0]


def test_verb_opens_the_packages_page_and_says_where_it_is(monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(webbrowser, "open", lambda address: asked.append(address) or True)
    assert cli.main(["explore"]) == 0
    assert capsys.readouterr().out == f"{page.PAGE}\n"
    assert asked == [page.PAGE.as_uri()]


def test_verb_writes_a_copy_and_opens_none(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(webbrowser, "open", lambda address: pytest.fail(address))
    out = tmp_path / "explorer.html"
    assert cli.main(["explore", "--out", str(out), "--no-open"]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    assert out.read_bytes() == page.PAGE.read_bytes()


def test_verb_tells_where_no_browser_is(monkeypatch, capsys):
    monkeypatch.setattr(webbrowser, "open", lambda address: False)
    assert cli.main(["explore"]) == 0
    assert "no browser was found: open this file in one" in capsys.readouterr().out
