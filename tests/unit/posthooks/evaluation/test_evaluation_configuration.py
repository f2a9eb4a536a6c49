"""Which evaluators are on: code and environment merged, and every mistake named with its remedy."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from offpath.errors import ConfigurationError, SettingsError
from offpath.posthooks.evaluation.configuration import EvaluatorChoice, check_filters, enabled_evaluators
from offpath.posthooks.evaluation.enabled import EnabledEvaluator, enable
from offpath.posthooks.evaluation.terms import TERMS
from offpath.runs.status import RunStatus
from offpath.settings import Settings
from offpath_evaluators import EvaluationContext, Options, configure, evaluator

JUDGE: dict[str, Any] = {"judge_model": "gpt-4o-mini", "judge_api_key": "k" * 20}


class SecretOptions(Options):
    api_key: str = Field(default="", max_length=20)
    depth: int = 1


@evaluator("own_check")
def own_check(context: EvaluationContext, options: SecretOptions) -> bool:
    """An evaluator of one's own."""
    return bool(context.output)


class UsersOptions(Options):
    users: str = ""


@evaluator("odd")
def odd(context: EvaluationContext, options: UsersOptions) -> bool:
    """One with an option that has the name of a filter."""
    return True


def found(code: Iterable[EvaluatorChoice] = (), **settings: Any) -> dict[str, EnabledEvaluator]:
    return {each.name: each for each in enabled_evaluators(Settings(**settings), code)}


def refused(code: Iterable[EvaluatorChoice] = (), **settings: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        enabled_evaluators(Settings(**settings), code)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Merging.


def test_nothing_is_on_by_itself() -> None:
    assert found() == {}


def test_entries_of_the_environment() -> None:
    enabled = found(
        evaluators=("pii", "manners=guidelines"), evaluator_options={"manners": {"rules": "Be kind"}}, **JUDGE
    )
    assert list(enabled) == ["pii", "manners"]
    assert enabled["manners"].instance.evaluator.name == "guidelines"
    assert enabled["manners"].hook == "offpath.evaluate.manners"
    assert enabled["manners"].judge_model == "gpt-4o-mini"
    assert (enabled["pii"].hook, enabled["pii"].judge_model) == ("offpath.evaluate", None)


def test_code_takes_names_functions_instances_and_enabled_ones() -> None:
    enabled = found(
        ["pii", "two=refusal", own_check, configure("secrets", name="keys"), enable("toxicity", nested=True)]
    )
    assert list(enabled) == ["pii", "two", "own_check", "keys", "toxicity"]
    assert enabled["toxicity"].nested


def test_an_entry_replaces_what_the_code_has_under_its_name() -> None:
    code: list[EvaluatorChoice] = [enable("pii", sample_rate=0.5, threshold=0.3), "refusal"]
    enabled = found(code, evaluators=("pii",))
    assert list(enabled) == ["pii", "refusal"]
    assert enabled["pii"].sample_rate == 1.0
    assert enabled["pii"].instance.options.threshold is None


def test_options_of_the_environment_change_single_ones_of_the_code() -> None:
    code = [enable("pii", sample_rate=0.5, agents=["a"], threshold=0.3)]
    (changed,) = found(code, evaluator_options={"pii": {"sample_rate": "0.25", "timeout": "2m"}}).values()
    assert (changed.sample_rate, changed.agents) == (0.25, ("a",))
    assert (changed.instance.options.threshold, changed.instance.timeout) == (0.3, 120.0)
    (changed,) = found(code, evaluator_options={"pii": {"threshold": "0.9"}}).values()
    assert (changed.sample_rate, changed.instance.options.threshold) == (0.5, 0.9)


def test_options_that_must_be_given_may_stand_in_the_environment_alone() -> None:
    (one,) = found(["tone=guidelines"], evaluator_options={"tone": {"rules": '["a", "b, c"]'}}, **JUDGE).values()
    assert one.describe()["options"] == {"rules": ["a", "b, c"]}


def test_taking_away() -> None:
    code = ["pii", "refusal", "secrets"]
    assert list(found(code, evaluators=("-pii", "toxicity"))) == ["refusal", "secrets", "toxicity"]
    assert found(code, evaluators=("none",)) == {}
    assert list(found(code, evaluators=("none", "toxicity"))) == ["toxicity"]
    # Whoever takes one away for a while need not take its options away.
    assert "pii" not in found(code, evaluators=("-pii",), evaluator_options={"pii": {"sample_rate": "0.1"}})


def test_the_default_set_keeps_what_is_configured() -> None:
    code = [enable("refusal", sample_rate=0.5)]
    enabled = found(code, evaluators=("-toxicity", "default"))
    assert {"pii", "secrets", "refusal"} < set(enabled)
    assert "toxicity" not in enabled
    assert enabled["refusal"].sample_rate == 0.5
    assert set(found(["default"])) == set(enabled) | {"toxicity"}


def test_all_terms_as_texts() -> None:
    texts = {
        "sample_rate": "0.1",
        "sample_group": "tone",
        "agents": "support, sales-*",
        "teams": '["desk"]',
        "workflows": "w",
        "users": "a,b",
        "run_on": "completed, ERROR",
        "nested": "Yes",
        "timeout": "3",
    }
    (one,) = found(["pii"], evaluator_options={"pii": texts}).values()
    assert (one.sample_rate, one.sample_group, one.nested) == (0.1, "tone", True)
    assert (one.agents, one.teams, one.workflows, one.users) == (("support", "sales-*"), ("desk",), ("w",), ("a", "b"))
    assert one.run_on == (RunStatus.COMPLETED, RunStatus.ERROR)
    assert one.instance.timeout == 3.0
    assert one.rule.filter.agents == ("support", "sales-*")


def test_sessions() -> None:
    texts = {"scope": "session", "quiet": "10m"}
    (one,) = found(["user_frustration"], evaluator_options={"user_frustration": texts}, **JUDGE).values()
    assert (one.scope, one.quiet, one.rule.quiet) == ("session", 600.0, 600.0)


def test_enabling_in_code_says_the_same_as_variables() -> None:
    code = enable(
        "pii", sample_rate=0.1, agents=["a", "b"], run_on=["error"], quiet="1h", scope="session", threshold=0.5
    )
    texts = {"sample_rate": "0.1", "agents": "a,b", "run_on": "error", "quiet": "3600", "scope": "session"}
    assert list(found(evaluators=("pii",), evaluator_options={"pii": {**texts, "threshold": "0.5"}}).values()) == [code]


# Files.


def test_an_option_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "criterion.md"
    file.write_text("\ufeffThe answer names a source.\n\nAlways.\n")
    options = {"named": {"criterion_file": str(file), "agents_file": str(tmp_path / "agents")}}
    (tmp_path / "agents").write_text("a\nb\n")
    (one,) = found(["named=geval"], evaluator_options=options, **JUDGE).values()
    assert one.instance.options.model_dump()["criterion"] == "The answer names a source.\n\nAlways."
    assert one.agents == ("a", "b")


def test_an_evaluator_that_reads_a_file_itself_is_given_its_path(tmp_path: Path) -> None:
    file = tmp_path / "rules.txt"
    file.write_text("- Be kind.\n- Be brief.\n")
    (one,) = found(["tone=guidelines"], evaluator_options={"tone": {"rules_file": str(file)}}, **JUDGE).values()
    assert one.instance.options.model_dump()["rules_file"] == file


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "cannot be read"), (b" \n", "is empty"), (b"\xff", "not UTF-8"), (b"a" * 1_048_577, "more than")],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "text"
    if content is not None:
        file.write_bytes(content)
    text = refused(["has=contains"], evaluator_options={"has": {"text_file": str(file)}})
    assert text.startswith("OFFPATH_EVALUATOR__HAS__TEXT_FILE='")
    assert said in text


def test_an_option_and_its_file_exclude_each_other(tmp_path: Path) -> None:
    text = refused(["has=contains"], evaluator_options={"has": {"text": "a", "text_file": "b"}})
    assert text == "OFFPATH_EVALUATOR__HAS__TEXT_FILE: OFFPATH_EVALUATOR__HAS__TEXT is set too; keep one of the two"


# Mistakes.


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        (("refusl",), "OFFPATH_EVALUATORS: there is no evaluator 'refusl'; did you mean 'refusal'?"),
        (("my_pkg.evals:x",), "'my_pkg.evals:x' needs a name for its results: polite=my_pkg.evals:x"),
        (("polite=no_such_package.evals:x",), "there is no module 'no_such_package'"),
        (("Tone=pii",), "'Tone' cannot be an evaluator's name; use small letters, digits and underscores: reply_tone"),
        (("pii", "pii"), "two evaluators are called 'pii'"),
        (("a=pii", "a=refusal"), "two evaluators are called 'a'"),
        (("pii", "-pij"), "'-pij' takes an evaluator away that is not enabled; did you mean 'pii'?"),
        (("=pii",), "cannot be an evaluator's name"),
        (("tone=",), "there is no evaluator ''"),
        ((f"{'a' * 65}=pii",), "more than 64 characters"),
    ],
)
def test_wrong_entries(entries: tuple[str, ...], said: str) -> None:
    text = refused(evaluators=entries)
    assert said in text
    assert "OFFPATH_EVALUATORS" in text or "a" * 65 in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"pij": {"threshold": "1"}},
            "OFFPATH_EVALUATOR__PIJ__THRESHOLD: no evaluator is enabled under the name 'pij'; did you mean 'pii'?",
        ),
        (
            {"pii": {"sampel_rate": "1"}},
            "OFFPATH_EVALUATOR__PII__SAMPEL_RATE: evaluator 'pii' has no option SAMPEL_RATE; did you mean SAMPLE_RATE?",
        ),
        ({"pii": {"tresholds": "1"}}, "did you mean THRESHOLD?"),
        ({"pii": {"sample_rate": "0"}}, "OFFPATH_EVALUATOR__PII__SAMPLE_RATE='0': must be a share above 0"),
        ({"pii": {"sample_rate": "1.01"}}, "must be a share above 0 and up to 1"),
        ({"pii": {"sample_rate": "nan"}}, "must be a share"),
        ({"pii": {"sample_rate": "ten"}}, "must be a share"),
        ({"pii": {"run_on": "completed,eror"}}, "'eror' is no end of a run; did you mean 'error'?"),
        ({"pii": {"run_on": "running"}}, "'running' is no end of a run"),
        ({"pii": {"nested": "maybe"}}, "must be true or false"),
        ({"pii": {"scope": "chat"}}, "must be run or session"),
        ({"pii": {"quiet": "10x"}}, "must be a time"),
        ({"pii": {"quiet": "-1"}}, "must be a time"),
        ({"pii": {"timeout": "inf"}}, "OFFPATH_EVALUATOR__PII__TIMEOUT='inf': must be a time"),
        ({"pii": {"agents": ","}}, "must name at least one"),
        ({"pii": {"threshold": "2"}}, "OFFPATH_EVALUATOR__PII__THRESHOLD: evaluator 'pii': option 'threshold'='2'"),
        ({"pii": {"judge_model": "x"}}, "asks no model"),
        ({"pii": {"scope": "session", "nested": "true"}}, "leave out one of the two"),
    ],
)
def test_wrong_options(options: dict[str, dict[str, str]], said: str) -> None:
    assert said in refused(["pii"], evaluator_options=options)


def test_options_without_any_evaluator() -> None:
    text = refused(evaluator_options={"pii": {"sample_rate": "0.1"}})
    assert text.endswith("no evaluator is enabled under the name 'pii'; none is, so set OFFPATH_EVALUATORS=pii")


def test_missing_options_are_named_with_their_variable() -> None:
    assert "set OFFPATH_EVALUATOR__G__CRITERION" in refused(evaluators=("g=geval",), **JUDGE)
    text = refused(evaluators=("tone=guidelines",), **JUDGE)
    assert "give the rules either as `rules` or as `rules_file`" in text
    assert "OFFPATH_EVALUATOR__TONE__OPTION" in text


def test_wrong_choices_in_code() -> None:
    assert "evaluators=[...]: two evaluators are called 'pii'" in refused(["pii", enable("pii")])
    assert "3 chooses no evaluator" in refused([3])  # type: ignore[list-item]
    with pytest.raises(ConfigurationError, match=r"enable\('pii', sample_rate=2\): sample_rate must be a share"):
        enable("pii", sample_rate=2)
    with pytest.raises(ConfigurationError, match="has no option 'treshold'; did you mean 'threshold'"):
        enable("pii", treshold=1)


def test_too_many_rules_for_one_result() -> None:
    assert "101 evaluators" in refused([f"n{number}=not_empty" for number in range(101)])


def test_an_option_that_has_a_filters_name_cannot_be_set_so() -> None:
    assert found([odd])["odd"].users == ()
    text = refused([odd], evaluator_options={"odd": {"users": "x"}})
    assert "rename the evaluator's option" in text


def test_secrets_are_not_shown() -> None:
    long = "sk-secret-0123456789-0123456789"
    for given in ({"api_key": long}, {"api_key": long, "depth": "deep"}, {"api_key": "sk-secret", "depth": "deep"}):
        text = refused([own_check], evaluator_options={"own_check": given})
        assert "sk-secret" not in text
        assert "OFFPATH_EVALUATOR__OWN_CHECK__" in text
    (one,) = found([own_check], evaluator_options={"own_check": {"api_key": "sk-secret"}}).values()
    assert one.describe()["options"] == {"api_key": "***"}


# The judge.


def test_a_judged_evaluator_needs_a_judge() -> None:
    text = refused(evaluators=("helpfulness",))
    assert "evaluator 'helpfulness' asks a judge, and there is none: set OFFPATH_JUDGE_MODEL" in text
    own = found([enable("helpfulness", judge_model="my-model")], judge_base_url="http://127.0.0.1:1/v1")
    assert own["helpfulness"].judge_model == "my-model"


def test_offline_the_stand_in_judges() -> None:
    assert found(evaluators=("helpfulness",), offline=True)["helpfulness"].judge_model == "stand-in"


def test_under_the_demo_the_stand_in_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "offline")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:4000/v1")
    assert found(evaluators=("helpfulness",))["helpfulness"].judge_model == "stand-in"
    monkeypatch.setenv("OPENAI_BASE_URL", "https://models.example/v1")
    assert "there is none" in refused(evaluators=("helpfulness",))


def test_a_budget_needs_a_known_price() -> None:
    unpriced: dict[str, Any] = {
        "judge_model": "my-model",
        "judge_base_url": "http://127.0.0.1:1/v1",
        "judge_budget_usd": 5,
    }
    text = refused(evaluators=("helpfulness",), **unpriced)
    assert text.startswith("OFFPATH_JUDGE_BUDGET_USD=5: the price of the judge 'my-model'")
    assert """OFFPATH_JUDGE_PRICES='{"my-model": [0.1, 0.4]}'""" in text
    assert found(evaluators=("helpfulness",), **unpriced, judge_prices='{"my-model": [0.1, 0.4]}')
    assert found(evaluators=("helpfulness",), **JUDGE, judge_budget_usd=5)
    # Without anybody who asks, there is nothing to keep.
    assert found(evaluators=("pii",), **unpriced)


def test_a_budget_into_which_no_question_fits_is_a_mistake() -> None:
    priced = {**JUDGE, "judge_model": "my-model", "judge_prices": '{"my-model": [1, 10]}'}  # 4,096 tokens: 0.04096 USD
    text = refused(evaluators=("helpfulness",), **priced, judge_budget_usd=0.04)
    assert text.startswith("OFFPATH_JUDGE_BUDGET_USD=0.04: an answer of the judge 'my-model'")
    assert "0.040960 USD" in text
    assert found(evaluators=("helpfulness",), **priced, judge_budget_usd=0.05)
    assert found(evaluators=("helpfulness",), **priced, judge_budget_usd=0), "asks nobody, on purpose"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"judge_prices": "["}, "OFFPATH_JUDGE_PRICES must be a JSON object"),
        ({"judge_prices": '{"m": 1}'}, "OFFPATH_JUDGE_PRICES: prices: 'm' has 1"),
        ({"judge_rate": "5/y"}, "OFFPATH_JUDGE_RATE: rate='5/y' is not understood"),
        ({"judge_base_url": "models"}, "OFFPATH_JUDGE_BASE_URL: base_url must begin with http"),
        ({"judge_api_key": None}, "the judge has no API key"),
    ],
)
def test_wrong_settings_of_the_judge_stop_the_start(settings: dict[str, Any], said: str) -> None:
    assert said in refused(evaluators=("helpfulness",), **(JUDGE | settings))


# Filters.


def test_filters_that_fit_nothing() -> None:
    there = [("agent", "support"), ("agent", "sales-eu"), ("team", "desk")]
    check_filters(found([enable("pii", agents=["support", "sales-*"], teams=["desk"])]).values(), there)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="agents='suport' is no agent of this service; did you mean 'support'"):
        check_filters([enable("pii", agents=["suport"])], there)  # type: ignore[arg-type]
    with pytest.raises(
        ConfigurationError, match="agents='x-.' fits no agent of this service; there are sales-eu, support"
    ):
        check_filters([enable("pii", agents=["x-*"])], there)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="the service has no workflows"):
        check_filters([enable("pii", workflows=["w"])], there)  # type: ignore[arg-type]


# Shown.


def test_summaries() -> None:
    assert enable("pii").summary() == "pii: all runs"
    tone = enable("tone=guidelines", rules="Be kind", sample_rate=0.1, agents=["a", "b"], judge_model="m")
    assert tone.summary() == "tone (guidelines, asks m): 10 % of runs, agents a b"
    assert enable("pii", scope="session", run_on=["error"]).summary() == "pii: all sessions, that ended as error"


# Variables.


def test_options_are_read_from_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(
        "OFFPATH_EVALUATORS=pii,tone=guidelines\nOFFPATH_EVALUATOR__TONE__RULES='Be kind; no slang'\n"
        "OFFPATH_EVALUATOR__PII__SAMPLE_RATE=0.5\nOFFPATH_EVALUATOR__REPLY_TONE__RULES_FILE=rules.txt\n"
    )
    monkeypatch.setenv("OFFPATH_EVALUATOR__PII__SAMPLE_RATE", "0.25")
    monkeypatch.setenv("OFFPATH_EVALUATOR__PII__AGENTS", " ")
    settings = Settings.load()
    assert settings.evaluators == ("pii", "tone=guidelines")
    assert settings.evaluator_options == {
        "tone": {"rules": "Be kind; no slang"},
        "pii": {"sample_rate": "0.25"},
        "reply_tone": {"rules_file": "rules.txt"},
    }


@pytest.mark.parametrize(
    "name",
    [
        "OFFPATH_EVALUATOR__PII",
        "OFFPATH_EVALUATOR__",
        "OFFPATH_EVALUATOR__pii__threshold",
        "OFFPATH_EVALUATOR_PII__THRESHOLD",
    ],
)
def test_variables_that_are_nearly_options(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError, match="OFFPATH_EVALUATOR__NAME__OPTION"):
        Settings.load()


def test_every_term_is_documented() -> None:
    page = (Path(__file__).resolve().parents[4] / "docs" / "how-to" / "evaluations.md").read_text()
    assert all(f"`{term.upper()}`" in page for term in TERMS)
    assert inspect.signature(enable).parameters.keys() >= set(TERMS)
