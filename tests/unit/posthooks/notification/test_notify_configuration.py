"""What the environment says about notifications."""

from __future__ import annotations

import pytest

from offpath.errors import ConfigurationError
from offpath.posthooks.notification import configuration
from offpath.posthooks.notification.configuration import Notifications, notifications
from offpath.settings import Settings

SECRET = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"


def read(monkeypatch: pytest.MonkeyPatch, **variables: str) -> Notifications | None:
    for name, value in variables.items():
        monkeypatch.setenv(f"OFFPATH_{name}", value)
    return notifications(Settings.load())


def fails(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read(monkeypatch, **variables)
    return str(caught.value)


def test_nothing_is_on_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(monkeypatch) is None


def test_channels_have_names_and_urls_may_hold_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(
        monkeypatch,
        NOTIFY_URLS="oncall=slack://T1/B1/C1/#a,#b, mailto://u:p@h?to=a@b.c,d@e.f\n mailto://second.example",
    )
    assert found is not None
    assert [(channel.name, channel.url) for channel in found.channels] == [
        ("oncall", "slack://T1/B1/C1/#a,#b"),
        ("mailto", "mailto://u:p@h?to=a@b.c,d@e.f"),
        ("mailto_2", "mailto://second.example"),
    ]


def test_list_in_json(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, NOTIFY_URLS='["ops=json://127.0.0.1/a", "json://127.0.0.1/b"]')
    assert found is not None
    assert [channel.name for channel in found.channels] == ["ops", "json"]


def test_events_for_all_and_for_one(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(
        monkeypatch,
        NOTIFY_URLS="ops=json://127.0.0.1/a,pager=json://127.0.0.1/b",
        NOTIFY_ON="default, slow_run=1.5m, cost_above=$0.50",
        NOTIFY__PAGER__ON="budget_exhausted,slow_run=500ms",
    )
    assert found is not None
    ops, pager = found.channels
    assert ops.on["slow_run"] == 90.0
    assert ops.on["cost_above"] == 0.5
    assert "run_error" in ops.on
    assert pager.on == {"budget_exhausted": None, "slow_run": 0.5}
    rules = found.rules("agent", "support")
    assert rules.channels[1].on == pager.on
    assert (rules.home_kind, rules.home_id) == ("agent", "support")
    assert found.describe()[1] == "pager (json): budget_exhausted, slow_run above 0.5 s"


def test_default_events(monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(monkeypatch, NOTIFY_URLS="json://127.0.0.1/a")
    assert found is not None
    assert set(found.channels[0].on) == {
        "run_error",
        "evaluation_failed",
        "below_threshold",
        "hook_dead",
        "hook_paused",
        "budget_exhausted",
    }


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        ("run_eror", ["run_eror", "did you mean run_error?"]),
        ("slow_run", ["slow_run takes a time", "slow_run=10s"]),
        ("slow_run=soon", ["slow_run=soon", "slow_run=10s"]),
        ("cost_above=much", ["cost_above=0.50"]),
        ("run_error=3", ["run_error takes no value"]),
    ],
)
def test_wrong_events_stop_the_start(monkeypatch: pytest.MonkeyPatch, value: str, parts: list[str]) -> None:
    text = fails(monkeypatch, NOTIFY_URLS="json://127.0.0.1/a", NOTIFY_ON=value)
    assert all(part in text for part in ["OFFPATH_NOTIFY_ON", *parts]), text
    text = fails(monkeypatch, NOTIFY_ON="none", NOTIFY__JSON__ON=value)
    assert all(part in text for part in ["OFFPATH_NOTIFY__JSON__ON", *parts]), text


def test_wrong_channels_stop_the_start_without_showing_urls(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (
        "hunter2-token",
        "ops=slack//hunter2",
        "Ops!=json://hunter2/x",
        "a=json://hunter2/x,a=json://hunter2/y",
    ):
        text = fails(monkeypatch, NOTIFY_URLS=value)
        assert "OFFPATH_NOTIFY_URLS" in text
        assert "hunter2" not in text


def test_options_of_no_channel_name_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    text = fails(monkeypatch, NOTIFY_URLS="oncall=json://127.0.0.1/x", NOTIFY__ONCAL__ON="run_error")
    assert "OFFPATH_NOTIFY__ONCAL__ON" in text
    assert "did you mean oncall?" in text
    monkeypatch.delenv("OFFPATH_NOTIFY__ONCAL__ON")
    assert "it has ON" in fails(monkeypatch, NOTIFY__ONCALL__OFF="run_error")


def test_webhook_needs_a_secret_that_is_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    address = "https://user:hunter2@example.com/hook?token=hunter2"
    assert "OFFPATH_NOTIFY_WEBHOOK_SECRET" in fails(monkeypatch, NOTIFY_WEBHOOK_URL=address)
    for secret in ("hunter2", "whsec_!!!", "whsec_aGk="):
        text = fails(monkeypatch, NOTIFY_WEBHOOK_SECRET=secret)
        assert "OFFPATH_NOTIFY_WEBHOOK_SECRET" in text
        assert secret not in text
    found = read(monkeypatch, NOTIFY_WEBHOOK_SECRET=SECRET)
    assert found is not None
    assert found.channels[0].name == "webhook"
    assert "hunter2" not in repr(found) + " ".join(found.describe())
    assert "hunter2" not in str(Settings.load()) + repr(Settings.load())


@pytest.mark.parametrize("value", ["ftp://example.com", "example.com", "https://", "http://[::1", "https://h:99999"])
def test_addresses(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    text = fails(monkeypatch, NOTIFY_WEBHOOK_URL=value, NOTIFY_WEBHOOK_SECRET=SECRET)
    assert "OFFPATH_NOTIFY_WEBHOOK_URL" in text
    assert f"={value}" not in text
    monkeypatch.delenv("OFFPATH_NOTIFY_WEBHOOK_URL")
    assert "OFFPATH_PUBLIC_URL" in fails(monkeypatch, NOTIFY_URLS="json://127.0.0.1/a", PUBLIC_URL=value)


def test_trace_url_says_where_the_id_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    text = fails(monkeypatch, NOTIFY_URLS="json://127.0.0.1/a", TRACE_URL="https://traces.example.com")
    assert "OFFPATH_TRACE_URL" in text
    assert "{trace_id}" in text


def test_apprise_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration.importlib.util, "find_spec", lambda name: None)
    assert 'pip install "offpath[notify]"' in fails(monkeypatch, NOTIFY_URLS="json://127.0.0.1/a")
