"""Tables of the comparison for the README and the documentation, written from the committed result file.

    python -m benchmarks.peers_table README.md docs/comparison.md --write
    python -m benchmarks.peers_table README.md docs/comparison.md --check

A file says where each goes with a pair of comments, `<!-- peers: begin -->` and `<!-- peers: end -->`; besides `peers`
there are `peers in full` and `peers how`.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from benchmarks.figures import POLLUTED
from benchmarks.peers_result import OURS, PeersResult, PeerText, Row, newest_result, read_result
from benchmarks.peers_rows import MORE_IS_BETTER, THROUGHPUT
from benchmarks.peers_serving import BARE
from benchmarks.served import REPOSITORY

_BLOCK = re.compile(r"(<!-- (peers[ a-z]*): begin -->\n).*?(<!-- \2: end -->)", re.DOTALL)
MODEL_CALLS = REPOSITORY / "docs" / "decisions" / "0007-model-calls.md"
COMMAND = "python -m benchmarks.peers_table README.md docs/comparison.md --write"


class TableError(RuntimeError):
    """A file has no place for a table, or for one that does not exist."""


def rendered(text: str, result: PeersResult, page: Path) -> str:
    """A file's text with the tables of a result.

    Args:
        page: The file, from which links lead.

    Raises:
        TableError: No pair of comments is in it, or one of a name that is unknown.
    """

    def table(found: re.Match[str]) -> str:
        block = BLOCKS.get(found[2])
        if block is None:
            raise TableError(f"there is no table {found[2]!r}; there are {', '.join(BLOCKS)}")
        return f"{found[1]}{block(result, page)}\n{found[3]}"

    if not _BLOCK.search(text):
        raise TableError("no place for a table: <!-- peers: begin --> and <!-- peers: end --> on lines of their own")
    return _BLOCK.sub(table, text)


def summary(result: PeersResult, page: Path) -> str:
    """Figures alone, the best of each row in bold, and under what circumstances they were taken."""
    lines = [_header(result), _line("Stored before the response", (peer.durable for peer in result.peers))]
    lines += [_line(row.title, (_shown(row, peer) for peer in result.peers)) for row in result.rows]
    said = [circumstances(result), *why_faster(result, page)]
    return "\n".join([*lines, "", "The best of each row is bold. " + " ".join(said)])


def in_full(result: PeersResult, page: Path) -> str:
    """Each figure with its range, its prediction, and offpath's ratio to it."""
    lines = [_header(result)]
    lines += [_line(row.title, ("<br>".join(_details(row, peer)) for peer in result.peers)) for row in result.rows]
    return "\n".join([*lines, "", circumstances(result)])


def how(result: PeersResult, page: Path) -> str:
    """What was compared, and how each figure is measured."""
    lines = [f"- **{_title(result, peer)}**: {peer.what} {peer.durability}" for peer in result.peers]
    return "\n".join([*lines, "", *(f"- **{row.title}**: {row.how}" for row in result.rows)])


BLOCKS: dict[str, Callable[[PeersResult, Path], str]] = {"peers": summary, "peers in full": in_full, "peers how": how}


def circumstances(result: PeersResult) -> str:
    """Date, machine, and whether the figures are worth anything, in a few sentences."""
    machine = result.machine
    said = [
        f"Measured on {result.date[:10]} on {machine.cores} cores ({machine.processor}) with Python {result.python}, "
        "in one run."
    ]
    if load := result.load:
        share = f" ({load.rate / load.slowest:.0%} of what the slowest serves)" if load.slowest else ""
        said.append(
            f"Response times are those of {load.requests:,} requests to each service at {load.rate:g}/s{share}; while "
            f"hooks compute, of {load.computing:,}, and of as many without such hooks."
        )
    if result.quick:
        said.append("It was a short run, which shows that everything works; its figures are rough.")
    if result.others_cpu_share > POLLUTED:
        said.append(
            f"Other programs used up to {result.others_cpu_share:.0%} of the machine meanwhile: compare figures with "
            "each other only."
        )
    return " ".join([*said, *(f"{note.rstrip('.')}." for note in result.notes)])


def why_faster(result: PeersResult, page: Path) -> list[str]:
    """What a reader wonders at when offpath serves more than a service that does less; nothing if it does not."""
    row = result.row(THROUGHPUT)
    ours, bare = (row.cells.get(key) if row else None for key in (OURS, BARE))
    if ours is None or bare is None or not ours.value or not bare.value or ours.value <= bare.value:
        return []
    link = Path(os.path.relpath(MODEL_CALLS, page.resolve().parent)).as_posix()
    return [
        "offpath serves more than FastAPI with the plain `openai` client, though it stores runs and hooks, because its "
        f"path to the model is lean: the same client, with an own transport and bodies encoded by offpath "
        f"([decision 7]({link}))."
    ]


def _header(result: PeersResult) -> str:
    titles = [_title(result, peer) for peer in result.peers]
    return f"| |{'|'.join(f' {title} ' for title in titles)}|\n|---|{'---|' * len(titles)}"


def _title(result: PeersResult, peer: PeerText) -> str:
    package = {"agentos": "agno"}.get(peer.key)
    return f"{peer.title} {result.versions[package]}" if package in result.versions else peer.title


def _line(title: str, values: Iterable[str]) -> str:
    return f"| {title} | {' | '.join(values)} |"


def _shown(row: Row, peer: PeerText) -> str:
    without = row.shown_without(peer.key)
    return f"{_value(row, peer)} ({without})" if without else _value(row, peer)


def _value(row: Row, peer: PeerText) -> str:
    shown = row.shown(peer.key)
    return f"**{shown}**" if peer.key in _best(row) else shown


def _best(row: Row) -> set[str]:
    """Who has the best value of a row, all of them if it looks the same; nobody where there is nothing to compare."""
    values = {key: cell.value for key, cell in row.cells.items() if cell.value is not None}
    if not values:
        return set()
    best = (max if row.key in MORE_IS_BETTER else min)(values, key=values.__getitem__)
    winners = {key for key in values if row.shown(key) == row.shown(best)}
    return winners if len(winners) < len(values) else set()


def _details(row: Row, peer: PeerText) -> list[str]:
    cell = row.cells.get(peer.key)
    details = [_value(row, peer)]
    if cell is None:
        return details
    if without := row.shown_without(peer.key):
        details.append(without)
    if found := row.shown_range(peer.key):
        details.append(found)
    if cell.predicted:
        details.append(f"predicted {row.shown_prediction(peer.key)}")
    if cell.ratio:
        ratio = cell.ratio
        details.append(f"offpath / this: {ratio.value:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]")
    if cell.note:
        details.append(cell.note)
    return details


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point; 1 if a file that was to be checked differs."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers_table", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true", help="write the tables into the files")
    mode.add_argument("--check", action="store_true", help="say which files differ from the result")
    options = parser.parse_args(arguments)
    source = newest_result()
    result = read_result(source)
    differing = []
    for path in options.files:
        text = path.read_text()
        try:
            wanted = rendered(text, result, path)
        except TableError as error:
            parser.error(f"{path}: {error}")
        if wanted != text:
            differing.append(str(path))
            if options.write:
                path.write_text(wanted)
    if options.check and differing:
        print(f"{', '.join(differing)} differs from {source.name}; run `{COMMAND}`")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
