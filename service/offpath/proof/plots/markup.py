"""Elements of HTML and SVG. Whatever goes through them is escaped, so that findings can hold any text."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from html import escape

Value = str | int | float | None


@dataclass(frozen=True, slots=True)
class Element:
    """A tag with its attributes and what is inside."""

    tag: str
    attributes: tuple[tuple[str, str], ...] = ()
    children: tuple[Element | str, ...] = ()

    def render(self) -> str:
        """As text that an HTML and an XML parser read alike."""
        opening = self.tag + "".join(f' {name}="{escape(visible(value))}"' for name, value in self.attributes)
        if not self.children and self.tag in _EMPTY:
            return f"<{opening}/>"
        inner = "".join(
            escape(visible(child), quote=False) if isinstance(child, str) else child.render() for child in self.children
        )
        return f"<{opening}>{inner}</{self.tag}>"


Child = Element | str | None | Iterable[Element | str | None]

_EMPTY = frozenset({"meta", "line", "path", "rect", "circle", "polygon", "col", "br"})
"""Of the tags that are used here, those that HTML lets stand without an end."""


def tag(name: str, /, *children: Child, **attributes: Value) -> Element:
    """An element; None is left out, an attribute's `_` becomes `-`, and one after its name (`class_`) goes.

    >>> tag("p", "1 < 2", class_="sum").render()
    '<p class="sum">1 &lt; 2</p>'
    """
    pairs = tuple(
        (key.rstrip("_").replace("_", "-"), value if isinstance(value, str) else number(value))
        for key, value in attributes.items()
        if value is not None
    )
    return Element(name, pairs, tuple(_flat(children)))


def number(value: float) -> str:
    """A coordinate: hundredths of a pixel are more than anybody sees."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def visible(text: str) -> str:
    """Text in which control, direction and half characters cannot do harm: each becomes a replacement sign."""
    return "".join(char if char.isprintable() or char in _SPACES else "\N{REPLACEMENT CHARACTER}" for char in text)


_SPACES = "\n\t\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}"


def _flat(children: Iterable[Child]) -> Iterable[Element | str]:
    for child in children:
        if child is None:
            continue
        if isinstance(child, str | Element):
            yield child
        else:
            yield from _flat(child)
