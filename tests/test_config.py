"""Settings: the environment wins over the file, and a bad value is named beside a right one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from marginbot.config import EXAMPLES, Settings, load_settings, unknown_variables
from marginbot.domain.errors import ConfigError
from marginbot.flow.access import AccessMode

TOKEN = "123456789:AAbbCC-dd_ee"


@pytest.fixture(autouse=True)
def empty_world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the machine's, and a working directory without a `.env`."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"MARGINBOT_{name.upper()}", raising=False)
    monkeypatch.chdir(tmp_path)


def test_defaults_are_the_documented_ones() -> None:
    settings = load_settings()
    assert settings.database == Path("marginbot.db")
    assert (settings.poll_every, settings.blind_after) == (timedelta(seconds=30), timedelta(seconds=180))
    assert settings.access is AccessMode.INVITE
    assert settings.listen == ("127.0.0.1", 8080)
    assert (settings.form_address, settings.form_listen) == (None, "127.0.0.1:8081")
    assert (settings.log_level, settings.log_format) == ("info", "text")
    assert (settings.admin_ids, settings.exchange_urls) == (frozenset(), {})
    assert (settings.telegram_token, settings.telegram_api_url, settings.heartbeat_url) == (None, None, None)


def test_every_setting_has_an_example() -> None:
    assert set(EXAMPLES) == set(Settings.model_fields)


BAD = [
    ("TELEGRAM_TOKEN", "hello"),
    ("TELEGRAM_TOKEN", "123456:"),
    ("TELEGRAM_API_URL", "api.telegram.org"),
    ("TELEGRAM_API_URL", "ftp://api.telegram.org"),
    ("DATABASE", ""),
    ("ADMIN_IDS", "alice"),
    ("ADMIN_IDS", "12;34"),
    ("ADMIN_IDS", "12,-1001234567890"),
    ("ADMIN_IDS", "0"),
    ("ACCESS", "everyone"),
    ("POLL_INTERVAL", "soon"),
    ("POLL_INTERVAL", "0"),
    ("POLL_INTERVAL", "-5"),
    ("POLL_INTERVAL", "nan"),
    ("POLL_INTERVAL", "inf"),
    ("POLL_INTERVAL", ""),
    ("STALE_AFTER", "0"),
    ("STALE_AFTER", "three minutes"),
    ("EXCHANGE_URLS", "bybit=https://x"),
    ("EXCHANGE_URLS", "[]"),
    ("EXCHANGE_URLS", '{"bybit": "x"}'),
    ("EXCHANGE_URLS", '{"bybit": 5}'),
    ("PROXIES", '{"bybit": "http://10.0.0.2:3128"}'),
    ("PROXIES", '{"bybit": ["10.0.0.2"]}'),
    ("PROXIES", '{"bybit": ["ws://10.0.0.2:3128"]}'),
    ("HTTP_LISTEN", "8080"),
    ("HTTP_LISTEN", ":8080"),
    ("HTTP_LISTEN", "localhost:"),
    ("HTTP_LISTEN", "localhost:http"),
    ("HTTP_LISTEN", "localhost:65536"),
    ("HEARTBEAT_URL", "hc.example/ping"),
    ("EGRESS_IP", "bot.example"),
    ("EGRESS_IP", "203.0.113.7, 203.0.113.256"),
    ("FORM_URL", "bot.example"),
    ("FORM_URL", "http://bot.example/key"),
    ("FORM_URL", "ws://127.0.0.1/key"),
    ("FORM_LISTEN", "8081"),
    ("LOG_LEVEL", "loud"),
    ("LOG_FORMAT", "xml"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_names_its_variable_and_shows_a_right_one(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"MARGINBOT_{name}", value)
    with pytest.raises(ConfigError) as caught:
        load_settings()
    message = str(caught.value)
    assert message.startswith(f"MARGINBOT_{name}: ")
    assert EXAMPLES[name.lower()] in message
    assert "\n" not in message


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_in_the_file_is_named_just_so(tmp_path: Path, name: str, value: str) -> None:
    config = tmp_path / "settings.env"
    config.write_text(f"MARGINBOT_{name}='{value}'\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_settings(config)
    assert str(caught.value).startswith(f"MARGINBOT_{name}: ")


GOOD: list[tuple[str, str, Callable[[Settings], object], object]] = [
    ("TELEGRAM_TOKEN", f" {TOKEN}\n", lambda s: s.require_token(), TOKEN),
    ("TELEGRAM_API_URL", "http://127.0.0.1:8081/", lambda s: s.telegram_api_url, "http://127.0.0.1:8081"),
    ("TELEGRAM_API_URL", "", lambda s: s.telegram_api_url, None),
    ("DATABASE", "data/bot.db", lambda s: s.database, Path("data/bot.db")),
    ("ADMIN_IDS", "12345678, 87654321,", lambda s: s.admin_ids, frozenset({12345678, 87654321})),
    ("ADMIN_IDS", "12345678", lambda s: s.admin_ids, frozenset({12345678})),
    ("ADMIN_IDS", "", lambda s: s.admin_ids, frozenset()),
    ("ACCESS", "open", lambda s: s.access, AccessMode.OPEN),
    ("POLL_INTERVAL", "0.5", lambda s: s.poll_every, timedelta(seconds=0.5)),
    ("STALE_AFTER", "60", lambda s: s.blind_after, timedelta(seconds=60)),
    (
        "EXCHANGE_URLS",
        '{"Bybit": "http://localhost:9000/"}',
        lambda s: s.exchange_urls,
        {"bybit": "http://localhost:9000"},
    ),
    ("HTTP_LISTEN", "[::1]:9090", lambda s: s.listen, ("::1", 9090)),
    ("HTTP_LISTEN", "0.0.0.0:0", lambda s: s.listen, ("0.0.0.0", 0)),
    ("HTTP_LISTEN", "", lambda s: s.listen, None),
    ("HEARTBEAT_URL", "https://hc.example/ping/1", lambda s: s.heartbeat_url, "https://hc.example/ping/1"),
    ("HEARTBEAT_URL", " ", lambda s: s.heartbeat_url, None),
    ("EGRESS_IP", " 203.0.113.7,2001:DB8::7", lambda s: s.egress_ip, "203.0.113.7, 2001:db8::7"),
    ("FORM_URL", "https://bot.example/key/", lambda s: s.form_url, "https://bot.example/key"),
    ("FORM_URL", "http://127.0.0.1:8081", lambda s: s.form_address, ("127.0.0.1", 8081)),
    ("FORM_URL", " ", lambda s: s.form_address, None),
    ("LOG_LEVEL", "DEBUG", lambda s: s.log_level, "debug"),
    ("LOG_FORMAT", "json", lambda s: s.log_format, "json"),
]


@pytest.mark.parametrize(("name", "value", "read", "expected"), GOOD)
def test_a_good_value_is_taken(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, read: Callable[[Settings], object], expected: object
) -> None:
    monkeypatch.setenv(f"MARGINBOT_{name}", value)
    assert read(load_settings()) == expected


def test_the_environment_wins_over_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MARGINBOT_POLL_INTERVAL=10\nMARGINBOT_STALE_AFTER=100\n", encoding="utf-8")
    monkeypatch.setenv("MARGINBOT_POLL_INTERVAL", "20")
    settings = load_settings()
    assert (settings.poll_interval, settings.stale_after) == (20, 100)


def test_a_named_file_replaces_the_one_in_the_working_directory(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MARGINBOT_POLL_INTERVAL=10\nMARGINBOT_STALE_AFTER=100\n", encoding="utf-8")
    config = tmp_path / "other.env"
    config.write_text("MARGINBOT_POLL_INTERVAL=20\n", encoding="utf-8")
    settings = load_settings(config)
    assert (settings.poll_interval, settings.stale_after) == (20, 180)


@pytest.mark.parametrize("name", ["missing.env", "."])
def test_a_file_that_is_none_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="--config names"):
        load_settings(tmp_path / name)


def test_secrets_show_in_no_repr_and_in_no_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARGINBOT_TELEGRAM_TOKEN", TOKEN)
    monkeypatch.setenv("MARGINBOT_MASTER_KEY", "my-master-key")
    settings = load_settings()
    for shown in (repr(settings), str(settings), str(settings.model_dump())):
        assert TOKEN not in shown
        assert "my-master-key" not in shown
    monkeypatch.setenv("MARGINBOT_TELEGRAM_TOKEN", "almost-a-token")
    with pytest.raises(ConfigError) as caught:
        load_settings()
    assert "almost-a-token" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("value", [None, "", "  "])
def test_without_a_token_the_way_to_one_is_told(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is not None:
        monkeypatch.setenv("MARGINBOT_TELEGRAM_TOKEN", value)
    with pytest.raises(ConfigError, match=r"MARGINBOT_TELEGRAM_TOKEN is not set.*@BotFather"):
        load_settings().require_token()


def test_without_a_master_key_the_way_to_one_is_told() -> None:
    with pytest.raises(ConfigError, match=r"MARGINBOT_MASTER_KEY is not set.*marginbot keygen"):
        load_settings().master_key_text()


def test_the_master_key_comes_from_the_environment_or_from_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text("from-file\n", encoding="utf-8")
    monkeypatch.setenv("MARGINBOT_MASTER_KEY_FILE", str(file))
    assert load_settings().master_key_text() == "from-file"
    monkeypatch.setenv("MARGINBOT_MASTER_KEY", " from-environment ")
    assert load_settings().master_key_text() == "from-environment"


@pytest.mark.parametrize(("content", "says"), [(None, "cannot be read"), ("  \n", "empty file")])
def test_a_master_key_file_without_a_key_is_fatal(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None, says: str
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    monkeypatch.setenv("MARGINBOT_MASTER_KEY_FILE", str(file))
    with pytest.raises(ConfigError, match=f"MARGINBOT_MASTER_KEY_FILE.*{says}"):
        load_settings().master_key_text()


def test_variables_that_look_like_typing_errors_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MARGINBOT_POLL_INTERVALL", "30")
    monkeypatch.setenv("MARGINBOT_POLL_INTERVAL", "30")
    for name in ("KEY", "SECRET", "PASSPHRASE", "NEW_MASTER_KEY"):
        monkeypatch.setenv(f"MARGINBOT_{name}", "x")
    assert unknown_variables() == ["MARGINBOT_POLL_INTERVALL"]


@pytest.mark.parametrize("named", [None, Path("other.env")])
def test_typing_errors_in_the_file_of_settings_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, named: Path | None
) -> None:
    monkeypatch.chdir(tmp_path)
    text = "marginbot_poll_intervall=5\nMARGINBOT_POLL_INTERVAL=5\nPATH=x\n"
    (tmp_path / (named or ".env")).write_text(text, encoding="utf-8")
    assert unknown_variables(named) == ["MARGINBOT_POLL_INTERVALL"]


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().poll_interval = 1
