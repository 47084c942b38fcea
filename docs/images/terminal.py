"""Draws README's picture of a terminal, docs/images/explain.svg: `mayfly explain` about a job that ran.

    python3 docs/images/terminal.py

The words are those of a golden file, which a test of the command wrote: cli/tests/mayfly/stories/snapshots/served.snap. A golden
file leaves out what differs from run to run (`<time>`, `<span>`, `<cost>` ...) and how wide columns are; that comes from
one run of the same test, below. infra/tests/test_documents.py fails if the picture is not what this draws.
"""

import html
import pathlib
import re

HERE = pathlib.Path(__file__).resolve().parent
GOLDEN = HERE.parents[1] / "cli" / "tests" / "mayfly" / "stories" / "snapshots" / "served.snap"
PICTURE = HERE / "explain.svg"
COMMAND = "mayfly explain 54000000002"

BEGAN = 14 * 3600  # seconds of a day, UTC
MOMENTS = [0, 0.04, 0.04, 0.04, 0.16, 0.2, 7.8, 17.3, 28.4, 28.4, 28.5, 28.54, 28.58, 29.6, 48.6, 51.5, 51.54]  # of each line, in seconds since then
RUNS, ENDS = 28.54, 48.6  # the job, in the same seconds
PHASES = [0.04, 0.16, 0.2, 7.8, 17.3, RUNS]  # the ends of those of its wait that took time
FIXED = {"similar size: <cost>": "similar size: $0.0060", "<cost>": "$0.0020", "<task>": "b9014759edfb37dc062cfae9b3987a60", "<runner 0>": "01m81rwzx18d2nn7d5w2gqcg1x", "<0>": "gqcg1x"}

SIZE, LEFT, TOP, LINE = 13, 20, 52, 18
CHARACTER = SIZE * 0.6  # of the monospaced fonts below
INK = {"plain": "#d6dbe5", "strong": "#ffffff", "faint": "#8b93a7", "good": "#8fd18f", "prompt": "#7aa2f7"}


def span(seconds):
    """As the command writes it: cli/src/terminal/time_format.rs, `duration_text`."""
    if seconds < 10:
        return f"{int(seconds * 10) / 10:.1f}s" if seconds else "0s"
    whole = int(seconds)
    return f"{whole}s" if whole < 60 else f"{whole // 60}m{whole % 60:02}s"


def clock(moment):
    whole = int(BEGAN + moment)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}"


def filled(text):
    """The golden text with one run's times in it."""
    lines = [line for line in text.splitlines() if line.startswith("<time>")]
    if len(lines) != len(MOMENTS):
        raise SystemExit(f"{GOLDEN.name} has {len(lines)} lines with a time, and MOMENTS has {len(MOMENTS)}: write down as many")
    spans = [span(RUNS), span(round(ENDS - RUNS, 3))]
    times = []
    for before, moment, line in zip([MOMENTS[0], *MOMENTS], MOMENTS, lines):
        times.append(clock(moment))
        spans.extend(span(round(moment - before, 3)) for _ in range(1 if "+<span>" in line else 0))
        # A duration within a sentence: since the line before it that began it.
        spans.extend(span(round(moment - before, 3)) for _ in range(line.count("<span>") - ("+<span>" in line)))
    took = [end - begin for begin, end in zip([0, *PHASES], PHASES)]
    if text.count("<share>") != len(PHASES):
        raise SystemExit(f"{GOLDEN.name} has {text.count('<share>')} phases of the wait, and PHASES has {len(PHASES)}: write down as many")
    times.extend(clock(end) for end in PHASES)
    spans.extend(span(round(seconds, 3)) for seconds in took)
    shares = [f"{100 * seconds / RUNS:.0f} %" for seconds in took]
    for mark, values in (("<time>", times), ("<span>", spans), ("<share>", shares)):
        for value in values:
            text = text.replace(mark, value, 1)
    for mark, value in FIXED.items():
        text = text.replace(mark, value)
    return text


def aligned(text):
    """Tables with their columns under each other again; two blanks part columns in a golden file."""
    paragraphs = []
    for paragraph in text.split("\n\n"):
        rows = [re.split(r" {2,}", line) for line in paragraph.splitlines()]
        if len(rows) > 1 and all(len(row) == len(rows[0]) > 2 for row in rows):
            widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
            numbers = [rows[0][column] in ("SINCE", "COST", "TOOK", "SHARE") for column in range(len(rows[0]))]
            cells = [[cell.rjust(width) if number else cell.ljust(width) for cell, width, number in zip(row, widths, numbers)] for row in rows]
            paragraph = "\n".join("  ".join(row).rstrip() for row in cells)
        paragraphs.append(paragraph)
    return "\n\n".join(paragraphs)


def ink(number, line, before):
    if number == 0:
        return "prompt"
    if re.match(r"job \d+ ", line):
        return "strong"
    if line.startswith("succeeded"):
        return "good"
    if line.startswith("https://") or " takes it: " in line or (not before and line.isupper()) or line.startswith(("TIME (UTC)", "WAITED FOR ", "WHO ")):
        return "faint"
    return "plain"


def picture():
    body = GOLDEN.read_text().split("\n---\n", 1)[1].strip("\n")
    lines = [f"$ {COMMAND}", *aligned(filled(body)).splitlines()]
    width = LEFT * 2 + int(max(len(line) for line in lines) * CHARACTER) + 1
    height = TOP + LINE * len(lines) + 8
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{COMMAND}</title>",
        f'<rect width="{width}" height="{height}" rx="8" fill="#1b1e28"/>',
        *(f'<circle cx="{20 + 18 * at}" cy="20" r="5.5" fill="{color}"/>' for at, color in enumerate(("#ff5f56", "#ffbd2e", "#27c93f"))),
        f'<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="{SIZE}" xml:space="preserve" style="white-space: pre">',
    ]
    before = ""
    for number, line in enumerate(lines):
        if line:
            color = ink(number, line, before)
            weight = ' font-weight="bold"' if color == "strong" else ""
            drawn.append(f'<text x="{LEFT}" y="{TOP + LINE * number}" fill="{INK[color]}"{weight}>{html.escape(line, quote=False)}</text>')
        before = line
    return "\n".join([*drawn, "</g>", "</svg>", ""])


if __name__ == "__main__":
    PICTURE.write_text(picture())
    print(f"wrote {PICTURE.relative_to(HERE.parents[1])}")
