"""The README: its Python lines run, and it stays short."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_it_is_short():
    assert len(README.splitlines()) <= 200


def test_its_python_lines_run(monkeypatch):
    monkeypatch.chdir(ROOT)
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    found: dict = {}
    exec(code, found)
    assert found["probability"].shape == found["cells"].shape == found["weights"].shape == found["image"].shape


def test_its_links_lead_somewhere():
    for page in (
        ROOT / "README.md",
        ROOT / "unet_paper/README.md",
        ROOT / "reproduce/README.md",
        ROOT / "results/README.md",
    ):
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_what_was_learnt_is_told_in_300_words():
    text = (ROOT / "results/README.md").read_text()
    section = text[text.index("## What was learnt\n") : text.index("## How near the paper\n")]
    assert len(re.sub(r"\]\([^)]*\)", "]", section).split()) <= 300
