"""What operators read cannot drift from what the program does."""

import json
import re
import tomllib

import pytest

from bot.settings import Settings
from database.metrics import Metrics
from tests.shared import ROOT

OPERATIONS = (ROOT / "docs" / "operations.md").read_text("utf-8")
ALERTS = (ROOT / "docs" / "monitoring" / "alerts.yml").read_text("utf-8")
DASHBOARD = (ROOT / "docs" / "monitoring" / "dashboard.json").read_text("utf-8")
SETTINGS = {name.upper() for name in Settings.model_fields}
SUFFIXES = {"histogram": ("_bucket", "_count", "_sum"), "counter": ("_total",), "gauge": ("",)}


def exposed() -> dict[str, tuple[str, ...]]:
    """Every metric's name, with the names under which Prometheus shows it."""
    families = Metrics().registry.collect()
    return {family.name: tuple(family.name + suffix for suffix in SUFFIXES[family.type]) for family in families}


def test_every_setting_is_explained():
    """The settings table has each variable, and none that is not read."""
    table = OPERATIONS.split("## Settings")[1].split("## Commands")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row)} == SETTINGS


def test_the_example_names_only_real_settings():
    """A line of .env.example that nobody reads would mislead."""
    example = (ROOT / ".env.example").read_text("utf-8")
    named = set(re.findall(r"^(\w+)=", example, re.MULTILINE))
    assert named <= SETTINGS
    assert {"WHATSAPP_ACCESS_TOKEN", "WHATSAPP_APP_SECRET", "CONCIERGE_ADMIN_TOKEN"} <= named


def test_every_metric_is_explained():
    """The table has each metric under the name that Prometheus shows, and no other."""
    table = OPERATIONS.split("## Metrics")[1]
    named = {f"concierge_{name}" for name in re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)}
    assert named == {shown[0].removesuffix("_bucket") for shown in exposed().values()}


@pytest.mark.parametrize("text", [ALERTS, DASHBOARD], ids=["alerts", "dashboard"])
def test_alerts_and_dashboard_ask_for_metrics_that_exist(text):
    """A rule about a figure that nobody writes never fires."""
    known = {name for shown in exposed().values() for name in shown}
    assert set(re.findall(r"concierge_\w+", text)) <= known


def test_the_dashboard_shows_every_metric():
    """Nothing is measured that nobody sees."""
    shown = set(re.findall(r"concierge_\w+", DASHBOARD))
    assert [name for name, names in exposed().items() if not shown & set(names)] == []


def test_the_dashboard_is_sound():
    """JSON with panels of their own ids, within the grid of 24 columns."""
    panels = json.loads(DASHBOARD)["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


def test_alerts_that_operations_speaks_of_exist():
    """What the table of troubles names can fire."""
    spoken = set(re.findall(r"Concierge[A-Z]\w+", OPERATIONS))
    assert spoken <= set(re.findall(r"alert: (\w+)", ALERTS))


def test_the_procfile_names_commands_that_exist():
    """A release step that fails stops every deployment."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    lines = (ROOT / "Procfile").read_text("utf-8").splitlines()
    assert lines == ["release: concierge migrate", "web: HOST=0.0.0.0 concierge serve"]
    assert "concierge" in project["project"]["scripts"]
