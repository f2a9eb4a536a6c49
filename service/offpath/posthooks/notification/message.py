"""Message: what a channel is told, as stored facts; and how people read it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

Severity = Literal["info", "warning", "failure"]

LONGEST_CONTENT: Final = 500
"""Characters of an input or output that are shown."""
LONGEST_NAME: Final = 120
SHOWN_RUNS: Final = 5
"""Runs of a message that are linked."""
SHOWN_KINDS: Final = 30
"""Kinds of things that a summary lists."""

_FAILURES: Final = frozenset({"run_error", "hook_dead", "hook_paused", "budget_exhausted"})
_REDACTED_AT_ONCE: Final = 50_000
_UNSAFE_END: Final = 5_000
"""Characters at a cut: a secret that was cut in two is not found."""
_JOINER: Final = "\N{WORD JOINER}"
_ANGLES: Final = str.maketrans({"<": "\N{SINGLE LEFT-POINTING ANGLE QUOTATION MARK}", ">": "›"})
_DOT: Final = re.compile(r"(?<=\w)\.(?=\w)")


class RunLink(msgspec.Struct, frozen=True, omit_defaults=True):
    """A run that a message names."""

    id: str
    traceparent: str = ""


class Item(msgspec.Struct, frozen=True, omit_defaults=True):
    """One kind of thing that happened. Times in seconds since the epoch."""

    event: str
    """A `NoticeEvent`, or "test"."""
    count: int
    since: float
    until: float
    component_kind: str = ""
    component_id: str = ""
    component_name: str = ""
    subjects: tuple[str, ...] = ()
    """What it is about, see `Notice.subject`; the most frequent first."""
    number: float | None = None
    """The value that was compared, if it happened once."""
    limit: float | None = None
    runs: tuple[RunLink, ...] = ()
    """Some of them."""


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """The column `message` of a delivery."""

    id: str
    """The delivery's."""
    at: float
    items: tuple[Item, ...]
    """One; or several, the most urgent first, if it sums up what there is no room for."""


@dataclass(frozen=True, slots=True)
class Content:
    """What was said in the run that a message is about; redacted."""

    input: str
    output: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A message for people: plain text, which channels format for themselves."""

    title: str
    body: str
    severity: Severity


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Message).decode


def encode_message(message: Message) -> bytes:
    return _encode(message)


def decode_message(encoding: bytes) -> Message:
    """
    Raises:
        msgspec.MsgspecError: It is none.
    """
    return _decode(encoding)


def redacted(text: str) -> str:
    """A text that was said, without personal data and secrets, and cut."""
    from offpath_evaluators.detect import redact

    shown = redact(text[:_REDACTED_AT_ONCE])[0]
    if len(text) > _REDACTED_AT_ONCE:
        shown = shown[:-_UNSAFE_END]
    return shown if len(shown) <= LONGEST_CONTENT else shown[:LONGEST_CONTENT] + " ..."


def harmless(text: str) -> str:
    """A text of users or models on one line, such that no channel takes part of it for markup, a mention or a link.

    Characters that do nothing but format are left out, and invisible ones go where `@` and dots would make a mention
    or a link; no channel has a common way to quote.
    """
    joined = _DOT.sub(f".{_JOINER}", named(text, longest=0))
    return joined.replace("@", f"@{_JOINER}").replace("//", f"/{_JOINER}/")


def named(text: str, *, longest: int = LONGEST_NAME) -> str:
    """A name from the code, on one line, and cut; 0: not cut."""
    printable = "".join(" " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in text)
    shown = "".join(char for char in printable if unicodedata.category(char) not in ("Cf", "Cs", "Co"))
    shown = " ".join(shown.translate(_ANGLES).split())
    return shown if not longest or len(shown) <= longest else shown[:longest] + " ..."


def render(
    message: Message, *, public_url: str | None = None, trace_url: str | None = None, content: Content | None = None
) -> Rendered:
    """The message for people.

    Args:
        public_url: Where they reach the service, without a slash at its end.
        trace_url: Where they find a trace, with `{trace_id}` in its place.
        content: What was said, if that may be told.
    """
    if len(message.items) > 1:
        return _summary(message)
    (item,) = message.items
    lines = [f"When: {_when(item)}"]
    if item.component_id:
        lines.insert(0, f"Where: {item.component_kind} {named(item.component_id)}")
    lines += _advice(item)
    for run in item.runs:
        lines.append(f"Run: {public_url}/runs/{run.id}" if public_url else f"Run: {run.id}")
        trace_id = _trace_id(run.traceparent)
        if trace_url and trace_id:
            lines.append(f"Trace: {trace_url.replace('{trace_id}', trace_id)}")
    if item.count > len(item.runs) > 1:
        lines.append(f"and {item.count - len(item.runs)} more")
    if content is not None:
        said = (("Input", content.input), ("Output", content.output))
        lines += [f"{name}: {harmless(text)}" for name, text in said if text]
    return Rendered(f"offpath: {_headline(item)}", "\n".join(lines), severity_of(item.event))


def severity_of(event: str) -> Severity:
    """How bad it is: services colour messages by it, or choose whom to wake."""
    if event == "test":
        return "info"
    return "failure" if event in _FAILURES else "warning"


def as_event(
    message: Message, *, public_url: str | None = None, trace_url: str | None = None, content: Content | None = None
) -> bytes:
    """The message for programs, as JSON: `type`, `timestamp` and `data`, after the Standard Webhooks convention."""
    items = []
    for item in message.items:
        shown = msgspec.to_builtins(item)
        shown |= {"since": _iso(item.since), "until": _iso(item.until)}
        shown |= {"severity": severity_of(item.event), "text": _headline(item)}
        if item.runs:
            shown["runs"] = [_linked(run, public_url, trace_url) for run in item.runs]
        items.append(shown)
    data: dict[str, object] = {"notices": items}
    if content is not None:
        data["content"] = {"input": content.input, "output": content.output}
    kind = message.items[0].event if len(message.items) == 1 else "summary"
    return msgspec.json.encode({"type": kind, "timestamp": _iso(message.at), "data": data})


def _linked(run: RunLink, public_url: str | None, trace_url: str | None) -> dict[str, str]:
    linked = {"id": run.id}
    if public_url:
        linked["url"] = f"{public_url}/runs/{run.id}"
    if trace_id := _trace_id(run.traceparent):
        linked["trace_id"] = trace_id
        if trace_url:
            linked["trace_url"] = trace_url.replace("{trace_id}", trace_id)
    return linked


def _summary(message: Message) -> Rendered:
    total = sum(item.count for item in message.items)
    title = f"offpath: {total} notices of {len(message.items)} kinds"
    lines = ["More happened than this channel is told of one by one:"]
    lines += [f"- {_headline(item)} ({_when(item)})" for item in message.items[:SHOWN_KINDS]]
    if len(message.items) > SHOWN_KINDS:
        lines.append(f"- and {len(message.items) - SHOWN_KINDS} kinds more")
    worst: Severity = "failure" if any(severity_of(item.event) == "failure" for item in message.items) else "warning"
    return Rendered(title, "\n".join(lines), worst)


def _headline(item: Item) -> str:
    """What happened, in some words, without a stop."""
    many = item.count > 1
    count, limit = item.count, item.limit
    subject = ", ".join(named(subject) for subject in item.subjects)
    where = named(item.component_name or item.component_id)
    cause = f" ({subject})" if subject else ""
    match item.event:
        case "run_error":
            return f"{count} runs of {where} failed{cause}" if many else f"a run of {where} failed{cause}"
        case "evaluation_failed":
            return f"evaluation {subject} of {where} failed" + (f" {count} times" if many else "")
        case "below_threshold":
            if many:
                return f"{count} runs of {where} do not pass {subject}"
            return f"a run of {where} does not pass {subject}{_value(item.number)}"
        case "hook_dead":
            if many:
                return f"{count} jobs of hook {subject} are dead letters"
            attempts = "" if item.number is None else f" after {item.number:g} attempt{'s' if item.number != 1 else ''}"
            return f"a job of hook {subject} is a dead letter{attempts}"
        case "hook_paused":
            return f"hook {subject} is paused: it had to be killed again and again"
        case "budget_exhausted":
            return "the judge's budget" + ("" if limit is None else f" of {limit:g} USD") + f" is used up{cause}"
        case "guardrail_blocked":
            return f"{count} runs of {where} were refused{cause}" if many else f"a run of {where} was refused{cause}"
        case "slow_run":
            above = "" if limit is None else f", above {limit:g} s"
            took = "took long" if item.number is None else f"took {item.number:.3g} s"
            return f"{count} slow runs of {where}{above}" if many else f"a run of {where} {took}{above}"
        case "cost_above":
            above = "" if limit is None else f", above {limit:g} USD"
            price = "cost a lot" if item.number is None else f"cost {item.number:.3g} USD"
            return f"{count} runs of {where} cost a lot{above}" if many else f"a run of {where} {price}{above}"
        case _:
            return "a test message, which says nothing of any run"


def _advice(item: Item) -> list[str]:
    if item.event == "hook_dead":
        return ["What to do: `offpath hooks dead` shows why; `offpath hooks retry` brings jobs back."]
    if item.event == "hook_paused" and item.subjects:
        return [f"What to do: mend it, then `offpath hooks resume {named(item.subjects[0])}`; its jobs wait."]
    if item.event == "budget_exhausted":
        return ["Judged evaluators are skipped until the next window; the others go on."]
    return []


def _value(number: float | None) -> str:
    return "" if number is None else f" ({number:.2f})"


def _when(item: Item) -> str:
    first = datetime.fromtimestamp(item.since, UTC)
    last = datetime.fromtimestamp(item.until, UTC)
    if item.count == 1 or int(item.since) == int(item.until):
        return f"{first:%Y-%m-%d %H:%M:%S} UTC"
    same_day = first.date() == last.date()
    return f"{first:%Y-%m-%d %H:%M:%S} to {last:{'%H:%M:%S' if same_day else '%Y-%m-%d %H:%M:%S'}} UTC"


def _iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trace_id(traceparent: str) -> str:
    parts = traceparent.split("-")
    return parts[1] if len(parts) == 4 and len(parts[1]) == 32 else ""
