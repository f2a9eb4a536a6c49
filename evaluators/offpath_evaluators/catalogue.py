"""The evaluators described: for `offpath evaluators` and docs/reference/evaluators.md."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from offpath_evaluators.declaration import Evaluator
from offpath_evaluators.evaluation import Subject
from offpath_evaluators.judge.prompt import packaged
from offpath_evaluators.quality import Quality, published
from offpath_evaluators.registry import BUILT_IN, find, names


@dataclass(frozen=True, slots=True)
class OptionEntry:
    """One option of an evaluator."""

    name: str
    type: str
    default: str | None
    """As JSON; None if the option must be given."""
    description: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One evaluator."""

    name: str
    kind: str
    version: int
    needs: tuple[str, ...]
    subject: Subject
    labels: tuple[str, ...]
    default: bool
    extra: str | None
    source: str | None
    summary: str
    """The first sentence of its documentation."""
    documentation: str
    options: tuple[OptionEntry, ...]
    prompt: str | None
    """What the judge is told to look for; None for rules and for evaluators of other packages."""
    exact: bool
    """Whether it is a rule that asks nobody: without measured quality, it is right by its definition."""
    quality: Quality | None
    """As it was measured; None if nobody has."""

    @property
    def quality_words(self) -> str:
        """The quality in a few words; what counts or compares is right by its definition."""
        if self.quality is not None:
            return summary(self.quality)
        return "by definition" if self.exact else "not measured"


def entries() -> Iterator[Entry]:
    """All evaluators, in order of name; those whose libraries are missing are described as well."""
    for name in names():
        yield entry(find(name))


def entry(evaluator: Evaluator[Any, Any]) -> Entry:
    """The description of one evaluator."""
    documentation = inspect.cleandoc(evaluator.__doc__ or "")
    return Entry(
        name=evaluator.name,
        kind=evaluator.kind,
        version=evaluator.version,
        needs=evaluator.needs,
        subject=evaluator.subject,
        labels=evaluator.labels,
        default=evaluator.default,
        extra=evaluator.extra,
        source=evaluator.source,
        summary=" ".join(documentation.partition("\n\n")[0].split()),
        documentation=documentation,
        options=tuple(_options(evaluator)),
        prompt=packaged(evaluator.name) if evaluator.kind == "judged" and evaluator.name in BUILT_IN else None,
        exact=not evaluator.is_async,
        quality=published().get(evaluator.name),
    )


def _options(evaluator: Evaluator[Any, Any]) -> Iterator[OptionEntry]:
    schema = evaluator.options.model_json_schema()
    required = schema.get("required", [])
    definitions = schema.get("$defs", {})
    for name, field in schema["properties"].items():
        default = None if name in required else _json(field.get("default"))
        yield OptionEntry(name, _type(field, definitions), default, field.get("description", ""))


def _json(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


def _type(field: dict[str, Any], definitions: dict[str, Any]) -> str:
    if "$ref" in field:
        return _type(definitions[field["$ref"].rpartition("/")[2]], definitions)
    if "anyOf" in field:
        return " or ".join(
            dict.fromkeys(_type(each, definitions) for each in field["anyOf"] if each != {"type": "null"})
        )
    if "enum" in field:
        return " or ".join(f'"{each}"' if isinstance(each, str) else str(each) for each in field["enum"])
    if "const" in field:
        return f'"{field["const"]}"'
    if field.get("type") == "array":
        return f"list of {_type(field.get('items', {}), definitions)}"
    bounds = [
        f"{words} {field[key]:g}"
        for key, words in (
            ("minimum", "at least"),
            ("exclusiveMinimum", "above"),
            ("maximum", "at most"),
            ("exclusiveMaximum", "below"),
        )
        if key in field
    ]
    names = {"string": "text", "number": "number", "integer": "whole number", "boolean": "true or false"}
    return ", ".join([names.get(field.get("type", ""), field.get("type", "anything")), *bounds])


def summary(quality: Quality) -> str:
    """The figures that describe a quality best, with their 95 % intervals."""
    parts: list[str] = []
    if quality.positives:
        parts += [
            f"F1 {quality.f1:.3f}" if quality.f1 is not None else "",
            f"FPR {quality.false_positive_rate or 0:.3f}",
        ]
        if quality.auroc is not None:
            parts.append(f"AUROC {quality.auroc:.3f}")
    elif quality.accuracy is not None:
        low, high = quality.accuracy_interval
        parts.append(f"accuracy {quality.accuracy:.3f} [{low:.3f}, {high:.3f}]")
    return ", ".join([*filter(None, parts), f"{quality.scored} rows"])


_INTRODUCTION = """\
<!-- generated by `python -m offpath.reference evaluators --write`; change the evaluators' docstrings -->
# Evaluators

An evaluator assesses one run. Rules cost microseconds and can look at every run; judged evaluators ask a model.
Values go from 0 to 1, where 1 is always good; `passed` is false where a detector finds its thing. An evaluator that
lacks something that it needs is *not applicable* and says what is missing; a judge that cannot tell *abstains*;
neither is ever counted as a fail.

**How right are they?** The figures were measured on labelled rows of our own making (`benchmarks/evaluators/data`),
on the half that the rules were not made with; `python -m benchmarks.evaluators` reproduces them. They tell what to
expect of rows like those. Yours are others: `offpath evaluators measure NAME FILE.jsonl` measures on them. Intervals
are 95 %, after Wilson. What counts or compares is right by its definition. Judged evaluators depend on the judge, and
say "not measured" until somebody has measured them.

The rows and the rules have the same authors, who watched the totals of the held-out half while they worked: take the
table as an upper end. On public rows, which are not shipped and of which some were looked at, the same rules had in
November 2026: refusal F1 0.90 at a false-positive rate of 0.07 on the answers of five models to XSTest's prompts
(2,250, full refusals against the rest; Röttger et al. 2024); toxicity F1 0.97 at 0.08 on tweets (6,000; Davidson et al.
2017), and a recall of 0.39 on OLID, where contempt needs no bad word; groundedness_overlap AUROC 0.99 on question and
answer pairs (HaluEval, 500), 0.76 and 0.69 on summaries (QAGS, CNN/DM and XSum); pii F1 0.99 on synthetic texts
(Presidio, 1,500) for the kinds that it looks for.

**Options** are given in code (`configure("refusal", threshold=0.7)`), on the command line
(`--option refusal.threshold=0.7`), and in the service by environment variables. Every evaluator has `threshold`: the
least value that passes, in place of its own rule.
"""


def page() -> str:
    """docs/reference/evaluators.md."""
    found = list(entries())
    parts = [_INTRODUCTION, "\n| evaluator | kind | looks at | needs | measured |\n|---|---|---|---|---|\n"]
    for each in found:
        parts.append(
            f"| [`{each.name}`](#{each.name}) | {each.kind} | {each.subject} | {_codes(each.needs)} "
            f"| {each.quality_words} |\n"
        )
    parts += [_section(each) for each in found]
    for title, name in (("The judge's system message", "system"), ("What stands after the content", "reminder")):
        parts.append(f"\n## {title}\n\n```text\n{packaged(name)}\n```\n")
    return "".join(parts)


def _section(each: Entry) -> str:
    lines = [f"\n## `{each.name}` {{#{each.name}}}\n\n{each.documentation}\n\n"]
    facts = [f"{each.kind}, version {each.version}, about the {each.subject}"]
    if each.needs:
        facts.append(f"needs {_codes(each.needs)}")
    if each.default:
        facts.append("part of the default set")
    if each.extra:
        facts.append(f'`pip install "offpath[{each.extra}]"`')
    lines.append(f"- {'; '.join(facts)}\n")
    if each.labels:
        shown = _codes(each.labels[:12]) + (f" and {len(each.labels) - 12} more" if len(each.labels) > 12 else "")
        lines.append(f"- labels: {shown}\n")
    if each.source:
        lines.append(f"- source: {each.source}\n")
    lines.append(f"- measured: {each.quality_words if each.quality is None else _measured(each.quality)}\n")
    if each.options:
        lines.append("\n| option | takes | default | |\n|---|---|---|---|\n")
        for option in each.options:
            default = "must be given" if option.default is None else f"`{_cell(option.default)}`"
            lines.append(f"| `{option.name}` | {_cell(option.type)} | {default} | {_cell(option.description)} |\n")
    if each.prompt:
        lines.append(f"\nThe criterion, as the judge reads it:\n\n```text\n{each.prompt}\n```\n")
    return "".join(lines)


def _measured(quality: Quality) -> str:
    parts = [f"{quality.scored} rows"]
    if quality.positives and quality.precision is not None and quality.recall is not None:
        (low, high), (low_r, high_r) = quality.precision_interval, quality.recall_interval
        parts += [
            f"{quality.positives} of them positive",
            f"precision {quality.precision:.3f} [{low:.3f}, {high:.3f}]",
            f"recall {quality.recall:.3f} [{low_r:.3f}, {high_r:.3f}]",
            f"F1 {quality.f1:.3f}",
            f"false-positive rate {quality.false_positive_rate or 0:.3f}",
        ]
        if quality.auroc is not None:
            parts.append(f"AUROC {quality.auroc:.3f}")
    elif quality.accuracy is not None:
        low, high = quality.accuracy_interval
        parts.append(f"accuracy {quality.accuracy:.3f} [{low:.3f}, {high:.3f}]")
    if quality.unscored:
        parts.append(f"{quality.unscored} more without a score")
    return ", ".join(parts)


def _codes(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
