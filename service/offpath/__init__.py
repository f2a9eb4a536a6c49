"""An agent service whose hooks never hold up the response, are never lost, and are always visible.

The public names are all here: `from offpath import Agent, AgentService`. Each is imported at its first use, so that
the worker's parent and the executors, which need few of them, stay small.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from offpath.agents.agent import Agent
    from offpath.agents.condition import Condition
    from offpath.agents.parallel import Parallel
    from offpath.agents.step import Step
    from offpath.agents.step_data import StepInput, StepOutput
    from offpath.agents.team import Team
    from offpath.agents.tool import tool
    from offpath.agents.workflow import Workflow
    from offpath.app import AgentService
    from offpath.errors import (
        CheckError,
        CheckTrigger,
        InputCheckError,
        OffpathError,
        OutputCheckError,
        Retry,
        ToolError,
    )
    from offpath.hooks.guardrails.guardrail import Guardrail
    from offpath.hooks.guardrails.injection import PromptInjectionGuardrail
    from offpath.hooks.guardrails.moderation import OpenAIModerationGuardrail
    from offpath.hooks.guardrails.pii import PIIDetectionGuardrail
    from offpath.hooks.hook import hook
    from offpath.models.openai_chat import OpenAIChat
    from offpath.posthooks.evaluation.enabled import enable
    from offpath.runs.context import RunContext, Session
    from offpath.runs.input import File, RunInput
    from offpath.runs.output import RunOutput
    from offpath.runs.status import RunStatus
    from offpath.storage.database import PostgresDb, SqliteDb

_HOMES = {
    "Agent": "offpath.agents.agent",
    "AgentService": "offpath.app",
    "CheckError": "offpath.errors",
    "CheckTrigger": "offpath.errors",
    "Condition": "offpath.agents.condition",
    "File": "offpath.runs.input",
    "Guardrail": "offpath.hooks.guardrails.guardrail",
    "InputCheckError": "offpath.errors",
    "OffpathError": "offpath.errors",
    "OpenAIChat": "offpath.models.openai_chat",
    "OpenAIModerationGuardrail": "offpath.hooks.guardrails.moderation",
    "OutputCheckError": "offpath.errors",
    "PIIDetectionGuardrail": "offpath.hooks.guardrails.pii",
    "Parallel": "offpath.agents.parallel",
    "PostgresDb": "offpath.storage.database",
    "PromptInjectionGuardrail": "offpath.hooks.guardrails.injection",
    "Retry": "offpath.errors",
    "RunContext": "offpath.runs.context",
    "RunInput": "offpath.runs.input",
    "RunOutput": "offpath.runs.output",
    "RunStatus": "offpath.runs.status",
    "Session": "offpath.runs.context",
    "SqliteDb": "offpath.storage.database",
    "Step": "offpath.agents.step",
    "StepInput": "offpath.agents.step_data",
    "StepOutput": "offpath.agents.step_data",
    "Team": "offpath.agents.team",
    "ToolError": "offpath.errors",
    "Workflow": "offpath.agents.workflow",
    "enable": "offpath.posthooks.evaluation.enabled",
    "hook": "offpath.hooks.hook",
    "tool": "offpath.agents.tool",
}

__all__ = [
    "Agent",
    "AgentService",
    "CheckError",
    "CheckTrigger",
    "Condition",
    "File",
    "Guardrail",
    "InputCheckError",
    "OffpathError",
    "OpenAIChat",
    "OpenAIModerationGuardrail",
    "OutputCheckError",
    "PIIDetectionGuardrail",
    "Parallel",
    "PostgresDb",
    "PromptInjectionGuardrail",
    "Retry",
    "RunContext",
    "RunInput",
    "RunOutput",
    "RunStatus",
    "Session",
    "SqliteDb",
    "Step",
    "StepInput",
    "StepOutput",
    "Team",
    "ToolError",
    "Workflow",
    "enable",
    "hook",
    "tool",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
