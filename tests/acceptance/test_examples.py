"""Every file of examples/ does what its first lines say."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing

from acceptance.examples import ENDED_IN_ORDER, EXAMPLES, answer_to, commands_of, docstring_of, example, typed
from acceptance.serving import Service, ServiceMaker, eventually

LONGEST = 60
"""Lines: an example shows one thing."""


def printed(service: Service, text: str) -> None:
    eventually(lambda: text in service.log.read_text(), f"{text!r} is printed", within=20)


def test_each_example_is_short_says_how_to_run_it_and_is_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text()
    names = sorted(path.stem for path in EXAMPLES.glob("*.py"))
    assert len(names) >= 8
    for name in names:
        assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) <= LONGEST, name
        assert docstring_of(name).splitlines()[0].endswith("."), name
        assert f"{name}.py" in " ".join(commands_of(name)) or f"{name}:app" in commands_of(name)[0], name
        assert f"[{name}.py]({name}.py)" in listed, name
    assert listed.count(".py](") == len(names), "the list has a file that is not there"


def test_each_example_with_a_model_says_how_to_do_without() -> None:
    for path in EXAMPLES.glob("*.py"):
        needs_model = "OpenAIChat(" in path.read_text()
        assert ("export OFFPATH_OFFLINE=1" in docstring_of(path.stem)) == needs_model, path.name


def test_in_a_team_the_hooks_of_leader_and_member_run(make_service: ServiceMaker) -> None:
    service = example(make_service, "team")
    answer = answer_to(service, commands_of("team")[1])
    (member_run,) = answer["child_run_ids"]
    service.finished_hooks(answer["run_id"], {"log_answer"})
    service.finished_hooks(member_run, {"log_member"})
    printed(service, f"[billing] worked on run {member_run}, for {answer['run_id']}")
    printed(service, f"[help-desk] completed: {answer['content']}")
    assert service.stop() in ENDED_IN_ORDER, service.log_end()


def test_a_workflow_writes_from_what_its_tool_found_and_stops_where_it_found_nothing(
    make_service: ServiceMaker,
) -> None:
    service = example(make_service, "workflow_with_tools")
    ask = commands_of("workflow_with_tools")[1]
    answer = answer_to(service, ask)
    assert [step["step_name"] for step in answer["step_results"]] == ["research", "stop_without_sources", "write"]
    assert answer["context"][0]["content"].startswith("Returns are free")
    assert "Returns are free" in answer["content"]
    service.finished_hooks(answer["run_id"], {"log_steps"})
    printed(service, "[answer-from-docs] steps: research, stop_without_sources, write\n")

    stopped = answer_to(service, ask.replace("returns", "spaceships"))
    assert stopped["content"] == "We have no page about this. A person will answer you."
    printed(service, "[answer-from-docs] steps: research, stop_without_sources\n")
    assert service.stop() in ENDED_IN_ORDER, service.log_end()


def test_a_sink_has_a_row_for_each_run_and_waits_for_a_warehouse_that_is_away(make_service: ServiceMaker) -> None:
    service = example(make_service, "own_sink")
    _, ask, look = commands_of("own_sink")
    answer = answer_to(service, ask)
    job = service.finished_hooks(answer["run_id"], {"to_warehouse"})["to_warehouse"]
    warehouse = service.directory / "warehouse.db"
    with closing(sqlite3.connect(warehouse)) as connection:
        (row,) = connection.execute("SELECT job, agent, tokens, personal_data, refused FROM answers").fetchall()
    assert row == (job["key"], "clerk", answer["metrics"]["total_tokens"], False, False)
    assert f"'{job['key']}', 'clerk'" in typed(service, look)

    warehouse.rename(service.directory / "away.db")
    warehouse.mkdir()
    later = answer_to(service, ask)["run_id"]
    waiting = eventually(
        lambda: next((job for job in service.hooks_of(later).values() if job["state"] == "scheduled"), None),
        "the hook asks to be called again",
    )
    assert "the warehouse is away" in waiting["error"]
    assert service.stop() in ENDED_IN_ORDER, service.log_end()


def test_in_an_app_that_was_there_before_the_service_runs_within_the_apps_lifespan(make_service: ServiceMaker) -> None:
    service = example(make_service, "existing_app", below="/ai")
    _, theirs, ask, metrics = commands_of("existing_app")
    assert typed(service, theirs) == '{"status":"on its way"}'
    answer = answer_to(service, ask)
    assert "on its way" in answer["content"], "the tool sees what the app's lifespan opened"
    service.finished_hooks(answer["run_id"], {"log_run"})
    printed(service, "[order-desk] completed; orders here: 0")
    done = 'offpath_outcome="success"} 1.0'
    page = eventually(lambda: page if done in (page := typed(service, metrics)) else "", "the hook is counted")
    assert 'http_route="/ai/agents/{agent_id}/runs"' in page
    assert "order-desk" in page

    assert service.stop() in ENDED_IN_ORDER, service.log_end()
    log = service.log.read_text()
    assert log.index("orders are open") < log.index("orders are closed")
    assert "Traceback" not in log
    assert not service.family(), "the worker has ended with the app"


def lines_of(name: str) -> list[list[str]]:
    """What an example prints that needs no service, word by word."""
    command = [sys.executable, "-W", "error", f"{name}.py"]
    done = subprocess.run(command, cwd=EXAMPLES, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [line.split() for line in done.stdout.splitlines()]


def test_one_answer_is_scored() -> None:
    assert lines_of("evaluate_answer") == [
        ["pii", "passed=False", "label=found", "value=0.0"],
        ["refusal", "passed=True", "label=none", "value=1.0"],
        ["language", "passed=None", "label=en", "value=None"],
    ]


def test_an_evaluator_of_ones_own_is_used_twice() -> None:
    assert lines_of("own_evaluator") == [["politeness", "True", "polite"], ["formal", "False", "rude"]]
