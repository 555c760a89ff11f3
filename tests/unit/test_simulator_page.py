"""The simulator's page and what it shows cannot drift apart."""

import re

from bot.simulator.control_api import FILES
from bot.simulator.faults import FaultKind
from tests.shared import ROOT

FOLDER = ROOT / "bot" / "simulator"


def test_every_fault_has_its_switch():
    """What the simulator can do wrong, the page can ask for."""
    panel = (ROOT / "bot" / "simulator" / "fault_panel.js").read_text("utf-8")
    offered = set(re.findall(r'^    \["(\w+)", ', panel, re.MULTILINE))
    assert offered == {kind.value for kind in FaultKind}


def test_every_file_that_the_page_asks_for_is_served():
    """Modules, styles and pictures."""
    texts = {path.name: path.read_text("utf-8") for path in FOLDER.iterdir() if path.suffix in {".html", ".css", ".js"}}
    asked = {name for text in texts.values() for name in re.findall(r"/simulator/files/([\w.]+)", text)}
    asked |= {name for text in texts.values() for name in re.findall(r'from "\./([\w.]+)"', text)}
    assert asked == set(FILES)
