"""What stands ready for operators is true of the code: every metric exists, every setting, every page."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from configparser import RawConfigParser
from datetime import timedelta
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]
from prometheus_client.parser import text_string_to_metric_families

from marginbot.cli import cli
from marginbot.config import Settings
from marginbot.metrics import Metrics
from tests.test_metrics import HOLE, vitals

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
MANUAL = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
_METRIC = re.compile(r"\bmarginbot_[a-z_]+")


def families() -> set[str]:
    """Every family of a page on which each kind of thing has happened once."""
    metrics = Metrics()
    metrics.reading("bybit", "ok")
    metrics.send("sent")
    metrics.board("edit", "sent")
    metrics.dwell(timedelta(seconds=1))
    metrics.cycle(timedelta(seconds=1))
    found = {family.name for family in text_string_to_metric_families(metrics.page(vitals(HOLE)).decode())}
    return {name for name in found if not name.endswith("_created")}  # the client library's own, beside each counter


def family_of(series: str) -> str:
    """The family of a series as an expression names it."""
    return re.sub(r"_(total|bucket|sum|count)$", "", series)


@pytest.mark.parametrize("name", ["alerts.yml", "grafana-dashboard.json"])
def test_every_metric_that_is_watched_exists(name: str) -> None:
    watched = set(_METRIC.findall((DEPLOY / name).read_text(encoding="utf-8")))
    assert len(watched) > 5
    assert {series for series in watched if family_of(series) not in families()} == set()


def test_every_metric_is_documented_and_on_the_dashboard() -> None:
    documented = {family_of(name) for name in re.findall(r"^\| `(marginbot_[a-z_]+)", MANUAL, re.MULTILINE)}
    assert documented == families()
    shown = {family_of(name) for name in _METRIC.findall((DEPLOY / "grafana-dashboard.json").read_text("utf-8"))}
    assert families() - shown == set()


def test_the_dashboard_is_one_that_grafana_can_read() -> None:
    board = json.loads((DEPLOY / "grafana-dashboard.json").read_text(encoding="utf-8"))
    ids = [panel["id"] for panel in board["panels"]]
    assert len(ids) == len(set(ids))
    squares = [
        (x, y)
        for panel in board["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(squares) == len(set(squares)), "panels lie on each other"
    assert max(x for x, _ in squares) < 24


def test_every_alert_says_what_is_wrong_and_how_bad() -> None:
    text = (DEPLOY / "alerts.yml").read_text(encoding="utf-8")
    rules = text.split("- alert: ")[1:]
    assert len(rules) > 5
    for rule in rules:
        assert re.search(r"^        expr: .+", rule, re.MULTILINE)
        assert re.search(r"severity: (info|warning|critical)\}", rule)
        assert re.search(r"summary: .+", rule)
        assert rule.split("\n")[0] in MANUAL


@pytest.mark.parametrize("file", ["compose.yaml", "Dockerfile", "deploy/marginbot.service", "docs/operators.md"])
def test_every_setting_that_is_named_exists(file: str) -> None:
    known = {f"MARGINBOT_{name.upper()}" for name in Settings.model_fields} | {
        "MARGINBOT_NEW_MASTER_KEY",
        "MARGINBOT_KEY",
        "MARGINBOT_SECRET",
        "MARGINBOT_PASSPHRASE",
    }
    named = set(re.findall(r"(?<!_)MARGINBOT_[A-Z_]+", (ROOT / file).read_text(encoding="utf-8")))
    assert named - known == set()


def test_the_unit_runs_the_bot_without_rights_and_starts_it_again_unless_the_configuration_is_wrong() -> None:
    unit = RawConfigParser(strict=False)
    unit.optionxform = str  # type: ignore[method-assign, assignment]
    unit.read(DEPLOY / "marginbot.service", encoding="utf-8")
    service = dict(unit["Service"])
    command = service["ExecStart"].split()
    assert (Path(command[0]).name, command[1] in cli.commands) == ("marginbot", True)
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("always", "2")
    assert int(service["TimeoutStopSec"]) > 10  # a clean stop takes at most ten seconds
    assert (service["DynamicUser"], service["ProtectSystem"], service["NoNewPrivileges"]) == ("yes", "strict", "yes")


def test_systemd_finds_nothing_amiss_in_the_unit(tmp_path: Path) -> None:
    """As systemd itself reads it; the program is put where this machine has one, and nothing else is changed."""
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not on this machine: the unit was NOT looked at by systemd")
    text = (DEPLOY / "marginbot.service").read_text(encoding="utf-8")
    assert text.count("/opt/marginbot/bin/marginbot") == 1
    unit = tmp_path / "marginbot.service"
    unit.write_text(text.replace("/opt/marginbot/bin/marginbot", "/bin/true"), encoding="utf-8")
    looked = subprocess.run(
        [program, "verify", "--recursive-errors=no", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    assert (looked.returncode, looked.stdout + looked.stderr) == (0, "")


def expressions() -> list[str]:
    """Every expression that Prometheus would be given."""
    board = json.loads((DEPLOY / "grafana-dashboard.json").read_text(encoding="utf-8"))
    rules = re.findall(r"^        expr: (.+)$", (DEPLOY / "alerts.yml").read_text(encoding="utf-8"), re.MULTILINE)
    return rules + [target["expr"] for panel in board["panels"] for target in panel["targets"]]


_TOKEN = re.compile(
    r'\s+|\$__rate_interval|"[^"]*"|[a-z_]+|[0-9.]+(?:ms|[smhdwy])?|==|!=|>=|<=|=~|!~|[-+*/<>=(){}\[\],]'
)
_WORDS = {"sum", "by", "rate", "increase", "histogram_quantile", "le", "or", "and", "up", "job"}
_LABELS = {"venue", "outcome", "kind", "step"}


@pytest.mark.parametrize("expression", expressions())
def test_every_expression_is_made_of_known_words_and_closes_what_it_opens(expression: str) -> None:
    """A simple look, where Prometheus itself is not at hand: a misspelt function or label is found, and a bracket."""
    rest, opened = expression, list[str]()
    for found in _TOKEN.finditer(expression):
        assert rest.startswith(found[0]), f"no such character in an expression: {rest}"
        rest, word = rest[len(found[0]) :], found[0]
        if word in "([{":
            opened.append(word)
        elif word in ")]}":
            assert opened and opened.pop() + word in ("()", "[]", "{}"), expression
        elif re.fullmatch(r"[a-z_]+", word):
            assert word in _WORDS | _LABELS or family_of(word) in families(), f"{word} is no word of {expression}"
    assert (rest, opened) == ("", [])
    for function in re.findall(r"(rate|increase)\(", expression):
        assert re.search(rf"{function}\([a-z_]+\[[^\]]+\]\)", expression), f"{function} is of a range: {expression}"


def test_the_rules_are_yaml_as_prometheus_reads_it() -> None:
    document = yaml.safe_load((DEPLOY / "alerts.yml").read_text(encoding="utf-8"))
    assert set(document) == {"groups"}
    for group in document["groups"]:
        assert set(group) <= {"name", "interval", "rules"}
        for rule in group["rules"]:
            assert (
                {"alert", "expr"} <= set(rule) <= {"alert", "expr", "for", "keep_firing_for", "labels", "annotations"}
            )
            assert re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", rule["alert"])
            assert re.fullmatch(r"([0-9]+(ms|[smhdwy]))+", rule.get("for", "0s"))
            assert all(isinstance(value, str) for value in (rule["labels"] | rule["annotations"]).values())


def test_the_image_runs_as_a_user_of_its_own_and_asks_after_its_health() -> None:
    image, compose = ((ROOT / name).read_text(encoding="utf-8") for name in ("Dockerfile", "compose.yaml"))
    assert re.search(r"^USER marginbot$", image, re.MULTILINE)
    assert re.search(r"^VOLUME /data$", image, re.MULTILINE)
    for line in ("read_only: true", "restart: unless-stopped", "- data:/data", "cap_drop: [ALL]"):
        assert line in compose
    assert "urlopen('http://'+os.environ.get('MARGINBOT_HTTP_LISTEN','127.0.0.1:8080')+'/healthz'" in image
    assert Settings.model_fields["http_listen"].default == "127.0.0.1:8080"
    assert "healthcheck" not in compose, "it would hide the image's, which knows MARGINBOT_HTTP_LISTEN"
