"""Makes docs/performance.md and its plots from bench/results and bench/notes; --check compares.

Ratios of the same rows on another machine lie in bench/elsewhere.

    .venv/bin/python tests/performance/page.py

Notes are written by hand: `bench/notes/ROW.md` says what limits a row and what moved it,
`_begin.md` and `_end.md` stand before and after the rows. Everything else comes from the results.

Failure: with --check a line for each file that is not what the results say, exit code 1.
"""

from __future__ import annotations

import json
import pathlib
import re
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import plot
from result import Better, Judged, Verdict

__all__ = ["files", "main"]

ROOT = pathlib.Path(__file__).resolve().parents[2]
_PLOTS = "docs/performance"
SECTIONS = (
    (
        "Receiving and delivering",
        (
            *("accept-c50", "accept-c50-reconnect", "accept-c10", "accept-c1", "accept64k-c50"),
            *("accept-lmtp-c50", "accept-500-postoffices", "latency-c50"),
        ),
    ),
    ("Sending", ("relay-c20",)),
    ("One message to many", ("fanout-1000", "fanout-10000")),
    (
        "Reading by POP3",
        (
            *("pop3-login", "pop3-retr", "pop3-retr-pipelined", "pop3-dele"),
            *("pop3-dele-pipelined", "pop3-list"),
        ),
    ),
    ("All at once", ("side-by-side", "cores")),
    (
        "Memory when idle",
        ("idle-smtp", "idle-smtp-tls", "idle-pop3", "idle-pop3-tls", "idle-appliance"),
    ),
    ("What must not grow", ("queue-flat", "flat-pages")),
    (
        "Large things",
        (
            *("large-message", "large-mailbox", "large-lists", "large-queue", "large-postoffice"),
            "large-server",
        ),
    ),
)
_LATENCIES = ("latency-c50", "accept-500-postoffices")
_SESSIONS = ("idle-smtp", "idle-smtp-tls", "idle-pop3", "idle-pop3-tls")
_FLAT = ("queue-flat", "flat-pages")
_MANY = 25
"""So many lines of a plot are not told one by one beside it."""

Record = Mapping[str, Any]
"""A result as `result.write` writes it."""


def _results(folder: pathlib.Path) -> dict[str, Record]:
    found = {}
    for path in sorted(folder.glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        found[record["row"]] = record
    return found


def files(root: pathlib.Path) -> dict[str, str]:
    """Returns the page and its plots: contents by path below `root`."""
    results = _results(root / "bench/results")
    plots = dict(_plots(results))
    made = {f"{_PLOTS}/{name}.svg": drawn for name, (_, drawn) in plots.items()}
    alts = {name: alt for name, (alt, _) in plots.items()}
    return {"docs/performance.md": _page(root, results, alts), **made}


# ── numbers ──────────────────────────────────────────────────────────────────────────────────────


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _spread(found: Mapping[str, float] | None) -> str:
    if found is None:
        return ""
    return " / ".join(_number(found[name]) for name in ("min", "median", "max"))


def _limit(measure: Record, name: str) -> str:
    if measure[name] is None:
        return ""
    sign = "≥" if measure["better"] == Better.MORE else "≤"
    unit = "×" if measure["judged"] == Judged.RATIO else ""
    return f"{sign} {measure[name]:.3g}{unit}"


def _judged(record: Record) -> list[Record]:
    """Returns a row's measures with floor and goal, CPU left out."""
    return [
        each
        for each in record["measures"]
        if each["floor"] is not None and each["name"] != "cpu_us"
    ]


def _verdict(measure: Record) -> str:
    return {
        Verdict.GOAL: "**goal**",
        Verdict.FLOOR: "floor",
        Verdict.MISSED: "**missed**",
        None: "",
    }[measure["verdict"]]


def _measure(record: Record, name: str) -> Record | None:
    return next((each for each in record["measures"] if each["name"] == name), None)


# ── the page ─────────────────────────────────────────────────────────────────────────────────────


def _page(root: pathlib.Path, results: Mapping[str, Record], alts: Mapping[str, str]) -> str:
    parts = [
        "# Performance\n",
        "<!-- Written by tests/performance/page.py from bench/; `make bench-page` does. -->\n",
        _note(root, "_begin"),
        "## Results\n",
        _machines(results),
        _summary(results),
        _picture("ratios", alts),
        _elsewhere(results, _results(root / "bench/elsewhere")),
    ]
    pictures = {
        "Receiving and delivering": ("latency",),
        "Memory when idle": ("sessions", "appliance"),
        "What must not grow": ("flat",),
        "Large things": ("large",),
    }
    peers: dict[str, tuple[str, list[str]]] = {}
    for section, names in _sections(results):
        parts.append(f"## {section}\n")
        parts += [_picture(name, alts) for name in pictures.get(section, ())]
        if section == "One message to many":
            parts.append(_linear(results))
        for name in names:
            parts.append(_row(results[name], peers))
            parts.append(_profile(root, name))
            parts.append(_note(root, name))
    parts.append("## The peers\n")
    for server, (row, lines) in peers.items():
        parts.append(f"### {server}\n\nAs in `{row}`:\n\n```\n" + "\n".join(lines) + "\n```\n")
    parts.append(_note(root, "_end"))
    return "\n".join(part for part in parts if part)


def _sections(results: Mapping[str, Record]) -> Iterator[tuple[str, list[str]]]:
    for section, names in SECTIONS:
        if there := [name for name in names if name in results]:
            yield section, there
    listed = {name for _, names in SECTIONS for name in names}
    if others := [name for name in results if name not in listed]:
        yield "Others", others


def _note(root: pathlib.Path, name: str) -> str:
    path = root / "bench/notes" / f"{name}.md"
    return path.read_text(encoding="utf-8").strip() + "\n" if path.exists() else ""


def _profile(root: pathlib.Path, name: str) -> str:
    """Says where the time goes, if `bench/profiles` knows."""
    path = root / "bench/profiles" / f"{name}.json"
    if not path.exists():
        return ""
    record = json.loads(path.read_text(encoding="utf-8"))
    lines = [
        f"**Profile**: where Posthouse's CPU time goes (commit `{record['commit']}`).\n",
        "| service | of all | of that in | and most of the interpreter's steps and waiting in |",
        "|---|---|---|---|",
    ]
    for each in record["services"]:
        libraries = ", ".join(f"{part} {share:.0%}" for part, share in each["libraries"].items())
        functions = ", ".join(f"`{part}` {share:.0%}" for part, share in each["functions"].items())
        lines.append(f"| {each['service']} | {each['share']:.0%} | {libraries} | {functions} |")
    return "\n".join(lines).replace("%", " %") + "\n"


def _picture(name: str, alts: Mapping[str, str]) -> str:
    return f"![{alts[name]}](performance/{name}.svg)\n" if name in alts else ""


def _machines(results: Mapping[str, Record]) -> str:
    """Says where and when all of it was measured; machines and commits that differ, each."""
    by_machine: dict[str, list[Record]] = {}
    for record in results.values():
        machine = record["machine"]
        words = (
            f"{machine['cores']} cores ({machine['cpu']}), "
            f"{int(machine['memory'].split()[0]) / 1024**2:.0f} GiB of memory, "
            f"{machine['system']}, Linux {machine['kernel']}, Python {machine['python']}, "
            f"{machine['file system'].partition(' ')[0]}"
        )
        by_machine.setdefault(words, []).append(record)
    lines = []
    for words, records in by_machine.items():
        days = sorted({record["measured at"][:10] for record in records})
        commits = sorted({record["commit"] for record in records})
        disk = statistics.median(
            record["machine"]["4 KiB append + fdatasync, median ms"] for record in records
        )
        lines.append(
            f"Measured on {words}; 4 KiB appended and synced in {disk:g} ms (median); "
            f"{', '.join(days)}, commit {', '.join(f'`{each}`' for each in commits)}.\n"
        )
    if tries := sorted(row for row, record in results.items() if record["scale"] != 1):
        lines.append(f"Tries with fewer messages, no results: {', '.join(tries)}.\n")
    return "\n".join(lines)


def _summary(results: Mapping[str, Record]) -> str:
    lines = [
        "| row | against | what | floor | goal | min / median / max | | CPU |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for _, names in _sections(results):
        for name in names:
            record = results[name]
            judged = _judged(record)
            if len(judged) > 2:
                judged = [max(judged, key=lambda each: float(each["ratio"]["median"]))]
            lines += [_summary_line(record, measure) for measure in judged]
    return "\n".join(lines) + "\n"


def _elsewhere(results: Mapping[str, Record], others: Mapping[str, Record]) -> str:
    """Compares ratios with those of an earlier commit on another machine."""
    if not others:
        return ""
    lines = [
        "### The same on another machine\n",
        _machines(others),
        "| row | what | floor | goal | here, median | there, min / median / max | |",
        "|---|---|---|---|---|---|---|",
    ]
    for _, names in _sections(others):
        for name in names:
            if name not in results:
                continue
            for there in _judged(others[name]):
                here = _measure(results[name], there["name"])
                if here is None or here["judged"] != there["judged"]:
                    continue
                kind = "ratio" if there["judged"] == Judged.RATIO else "ours"
                cells = (
                    f"[{name}](#{name})",
                    there["label"],
                    _limit(there, "floor"),
                    _limit(there, "goal"),
                    f"{_number(here[kind]['median'])} {_verdict(here)}",
                    _spread(there[kind]),
                    _verdict(there),
                )
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _summary_line(record: Record, measure: Record) -> str:
    alike = len(_judged(record))
    label = measure["label"]
    if alike > 2:
        label = f"worst of {alike}: {label}"
    is_ratio = measure["judged"] == Judged.RATIO
    cpu = _measure(record, "cpu_us")
    cpu_text = f"{_number(cpu['ratio']['median'])}×" if cpu and "ratio" in cpu else ""
    if cpu and cpu["verdict"]:
        cpu_text += f" {_verdict(cpu)} ({_limit(cpu, 'floor')}, {_limit(cpu, 'goal')})"
    return "| " + " | ".join(
        (
            f"[{record['row']}](#{record['row']})",
            record["sides"][0],
            label,
            _limit(measure, "floor"),
            _limit(measure, "goal"),
            _spread(measure["ratio"] if is_ratio else measure["ours"]),
            _verdict(measure),
            f"{cpu_text} |",
        )
    )


def _linear(results: Mapping[str, Record]) -> str:
    """Compares ten thousand recipients with ten times a thousand."""
    both = [results.get(name) for name in ("fanout-1000", "fanout-10000")]
    if None in both:
        return ""
    few, many = (
        {
            side: float(measure[side]["median"])
            for measure in record["measures"]
            if measure["name"] == "seconds"
            for side in ("peer", "ours")
        }
        for record in both
        if record is not None
    )
    said = ", ".join(
        f"{name} {many[side] / (10 * few[side]):.2f}"
        for side, name in (("ours", "Posthouse"), ("peer", "Postfix"))
    )
    return f"10,000 recipients against ten times 1,000, where 1 is linear: {said}.\n"


def _row(record: Record, peers: dict[str, tuple[str, list[str]]]) -> str:
    sides = record["sides"]
    lines = [
        f"### {record['row']}\n",
        (
            f"{record['title'][0].upper()}{record['title'][1:]}. `{record['command']}` took "
            f"{record['seconds']} s, begun {record['measured at'].replace('T', ' ')[:16]} UTC, "
            f"commit `{record['commit']}`.\n"
        ),
    ]
    has_peer = any("peer" in measure for measure in record["measures"])
    head = ["min / median / max of", *((sides[0],) if has_peer else ()), sides[1]]
    if has_peer:
        head.append("ratio")
    lines.append("| " + " | ".join((*head, "floor", "goal", "")) + " |")
    lines.append("|---" * (len(head) + 3) + "|")
    for measure in record["measures"]:
        cells = [measure["label"]]
        if has_peer:
            cells.append(_spread(measure.get("peer")))
        cells.append(_spread(measure["ours"]))
        if has_peer:
            cells.append(_spread(measure.get("ratio")))
        cells += [_limit(measure, "floor"), _limit(measure, "goal"), _verdict(measure)]
        lines.append("| " + " | ".join(cells) + " |")
    runs = max(len(measure["raw"]["ours"]) for measure in record["measures"])
    lines.append(f"\n{runs} {'pairs' if record.get('peer') else 'rounds'}; {record['order']}.\n")
    lines.append(_configuration(record, peers))
    return "\n".join(lines)


def _configuration(record: Record, peers: dict[str, tuple[str, list[str]]]) -> str:
    """Returns what the peer of this row has that differs from the first row with that peer."""
    peer = record.get("peer")
    if not peer:
        return ""
    lines = [re.sub(r"(:|port = )\d{5}\b", r"\1PORT", line) for line in _lines(peer)]
    lines = [re.sub(r"WORK/[\w-]+", "WORK", line) for line in lines]
    lines = [re.sub(r"/tmp/phb-\w+", "RUN", line) for line in lines]  # noqa: S108 - a name in a text
    server = str(record["sides"][0])
    first, usual = peers.setdefault(server, (str(record["row"]), lines))
    if first == record["row"] or lines == usual:
        return ""
    differing = [line for line in lines if line not in usual]
    return "The peer's settings that differ here:\n\n```\n" + "\n".join(differing) + "\n```\n"


def _lines(found: Mapping[str, Any], indent: str = "") -> Iterator[str]:
    for name, value in found.items():
        if isinstance(value, Mapping):
            yield f"{indent}{name}:"
            yield from _lines(value, indent + "  ")
        elif isinstance(value, list):
            yield f"{indent}{name}:"
            yield from (f"{indent}  {line}" for line in value)
        elif name != "dns questions":
            yield f"{indent}{name}: {value}"


# ── the plots ────────────────────────────────────────────────────────────────────────────────────

_OURS = plot.Series("Posthouse", "ours")


def _plots(results: Mapping[str, Record]) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yields each plot that there are values for: its name, its text alternative, its drawing."""
    for name, title, caption, rows, series, line in (
        (
            "ratios",
            "How many times better than the peer",
            "times better, median and spread of the pairs",
            list(_advantages(results)),
            [_OURS],
            1.0,
        ),
        (
            "latency",
            "Time of the final 250 at 50 connections",
            "milliseconds",
            list(_latencies(results)),
            [plot.Series("peer", "peer", is_hollow=True), _OURS],
            None,
        ),
        (
            "sessions",
            "Memory of an idle session",
            "KiB of process memory a session",
            list(_sessions_memory(results)),
            [plot.Series("peer", "peer", is_hollow=True), _OURS],
            None,
        ),
        (
            "flat",
            "How much slower when there is a thousand times as much",
            "large : small; 1 is flat",
            list(_growth(results, _FLAT)),
            [_OURS],
            1.0,
        ),
        (
            "large",
            "Daily work on large homes against small ones",
            "large : small; 1 is flat",
            list(
                _growth(
                    results, ("large-mailbox", "large-queue", "large-postoffice", "large-server")
                )
            ),
            [_OURS],
            1.0,
        ),
    ):
        if rows:
            alt = f"{title}. " + "; ".join(f"{row.label}: {row.remark}" for row in rows)
            drawn = plot.dots(title, alt, rows, series, caption=caption, line_at=line)
            if len(rows) > _MANY:
                alt = f"{title}: {len(rows)} values from the tables below, {caption}."
            yield name, (_alt(alt), drawn)
    if "idle-appliance" in results:
        yield "appliance", _appliance(results["idle-appliance"])


def _alt(text: str) -> str:
    return text.replace("[", "(").replace("]", ")")


def _triple(found: Mapping[str, float], *, inverse: bool = False) -> tuple[float, float, float]:
    low, middle, high = found["min"], found["median"], found["max"]
    return (1 / high, 1 / middle, 1 / low) if inverse else (low, middle, high)


def _advantages(results: Mapping[str, Record]) -> Iterator[plot.Dot]:
    """Every ratio to a peer that has a goal, turned so that more is better."""
    for section, names in _sections(results):
        if section in {"What must not grow", "Large things"}:
            continue
        for name in names:
            for measure in results[name]["measures"]:
                if measure["verdict"] is None or measure["judged"] != Judged.RATIO:
                    continue
                inverse = measure["better"] == Better.LESS
                floor, goal = measure["floor"], measure["goal"]
                what = {"cpu_us": ", CPU", "whole_seconds": ", with RCPT"}.get(measure["name"], "")
                spread = _triple(measure["ratio"], inverse=inverse)
                yield plot.Dot(
                    label=f"{name}{what}",
                    values=[spread],
                    floor=1 / floor if inverse else floor,
                    goal=1 / goal if inverse else goal,
                    remark=f"{_number(spread[1])}×, {_word(measure)}",
                    is_missed=measure["verdict"] == Verdict.MISSED,
                )


def _word(measure: Record) -> str:
    return {Verdict.GOAL: "goal", Verdict.FLOOR: "floor", Verdict.MISSED: "missed"}[
        Verdict(measure["verdict"])
    ]


def _latencies(results: Mapping[str, Record]) -> Iterator[plot.Dot]:
    for name in _LATENCIES:
        if name not in results:
            continue
        for measure_name, label in (("p50_ms", "median"), ("p99_ms", "99th percentile")):
            measure = _measure(results[name], measure_name)
            if measure is None:
                continue
            peer, ours = measure["peer"], measure["ours"]
            short = {"latency-c50": "one post office", "accept-500-postoffices": "500 post offices"}
            yield plot.Dot(
                label=f"{short[name]}, {label}",
                values=[_triple(peer), _triple(ours)],
                remark=f"{_number(ours['median'])} against {_number(peer['median'])} ms",
            )


def _sessions_memory(results: Mapping[str, Record]) -> Iterator[plot.Dot]:
    for name in _SESSIONS:
        if name not in results:
            continue
        measure = results[name]["measures"][0]
        peer, ours = measure["peer"], measure["ours"]
        yield plot.Dot(
            label=f"{name.removeprefix('idle-')}, {results[name]['sides'][0]}",
            values=[_triple(peer), _triple(ours)],
            floor=measure["floor"],
            goal=measure["goal"],
            remark=f"{_number(ours['median'])} against {_number(peer['median'])} KiB",
            is_missed=measure["verdict"] == Verdict.MISSED,
        )


def _growth(results: Mapping[str, Record], names: Sequence[str]) -> Iterator[plot.Dot]:
    for name in names:
        for measure in results.get(name, {"measures": ()})["measures"]:
            if "ratio" not in measure:
                continue
            label, _, unit = measure["label"].rpartition(", ")
            if not label:  # a number without a unit
                label, unit = unit, ""
            if name.startswith("large"):
                label = f"{name.removeprefix('large-')}: {label}"
            spread = _triple(measure["ratio"])
            word = f", {_word(measure)}" if measure["verdict"] else ""
            value = f"{_number(measure['ours']['median'])} {unit}".strip()
            yield plot.Dot(
                label=_short(label).strip(),
                values=[spread],
                floor=measure["floor"],
                goal=measure["goal"],
                remark=f"{_number(spread[1])}× ({value}){word}",
                is_missed=measure["verdict"] == Verdict.MISSED,
            )


def _short(label: str) -> str:
    for long, brief in (
        ("a message from SMTP to POP3", "SMTP to POP3"),
        ("250 of a message to the next post office", "250, next tenant"),
        ("of all services afterwards", ""),
        ("of all services", ""),
        ("start-up until ready", "start-up"),
        ("webmail list page by", "list by"),
        ("POP3 login + ", "POP3 "),
        (" + QUIT", ""),
        ("posthouse ", ""),
    ):
        label = label.replace(long, brief)
    return label


def _appliance(record: Record) -> tuple[str, str]:
    """Draws what each service takes, under `serve` and as units."""
    kinds = {"serve": "under serve", "units": "separate units"}
    parts: dict[str, dict[str, float]] = {kind: {} for kind in kinds}
    services: list[str] = []
    for measure in record["measures"]:
        kind, _, service = measure["name"].partition("_")
        if service:
            parts[kind][service] = float(measure["ours"]["median"])
            if service not in services:
                services.append(service)
    judged = _judged(record)
    rows = [
        plot.Bar(
            label=label,
            values=[parts[kind].get(service, 0.0) for service in services],
            remark=f"{measure['ours']['median']:.0f} MiB, {_word(measure)}",
            is_missed=measure["verdict"] == Verdict.MISSED,
        )
        for (kind, label), measure in zip(kinds.items(), judged, strict=True)
    ]
    title = "Memory of the whole appliance, idle"
    alt = f"{title}. " + "; ".join(
        f"{row.label}: {row.remark}; of it "
        + ", ".join(f"{name} {value:.0f}" for name, value in zip(services, row.values, strict=True))
        for row in rows
    )
    series = [plot.Series(name, f"s{number % 8}") for number, name in enumerate(services)]
    drawn = plot.stacked(
        title,
        alt,
        rows,
        series,
        caption="MiB, what processes share divided among them",
        floor=judged[0]["floor"],
        goal=judged[0]["goal"],
    )
    return _alt(alt), drawn


def main(words: Sequence[str]) -> int:
    """Writes the page and its plots, or compares them.

    Args:
        words: `--check`, or none.
    """
    made = files(ROOT)
    there = {str(path.relative_to(ROOT)) for path in (ROOT / _PLOTS).glob("*.svg")}
    wrong = sorted(there - made.keys())
    for path, text in made.items():
        full = ROOT / path
        if not full.exists() or full.read_text(encoding="utf-8") != text:
            wrong.append(path)
    if "--check" in words:
        for path in wrong:
            print(f"{path} is not what the results say: run `make bench-page`", file=sys.stderr)
        return 1 if wrong else 0
    for path in wrong:
        full = ROOT / path
        if path in made:
            full.parent.mkdir(parents=True, exist_ok=True)
            full.write_text(made[path], encoding="utf-8")
        else:
            full.unlink()
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
