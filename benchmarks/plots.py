"""The results of `make bench` as bar charts in SVG. A plot has one scale, and the scale begins at zero.

Positions are percentages: the bars follow the width and the text keeps its size, so a plot is readable on a phone and
on a wide page. Colours are attributes, because the site's content security policy blocks `<style>` in a picture that is
opened by itself. The style only adds the dark theme.
"""

from dataclasses import dataclass
from html import escape
from typing import Any

from benchmarks.sentences import growth, winner
from benchmarks.tables import FLOWS, OURS, Results, act, by_operation, fastest_first, name, number, select

# As in static/site.css: light, dark.
COLOURS = {
    "card": ("oklch(1 0 0)", "oklch(0.228 0.019 262)"),
    "ink": ("oklch(0.235 0.025 262)", "oklch(0.945 0.006 250)"),
    "muted": ("oklch(0.475 0.022 260)", "oklch(0.765 0.014 255)"),
    "edge": ("oklch(0.6 0.02 258)", "oklch(0.62 0.02 258)"),
    "session": ("oklch(0.475 0.085 190)", "oklch(0.81 0.11 187)"),
    "token": ("oklch(0.485 0.2 293)", "oklch(0.79 0.125 298)"),
}
DARK = "".join(f".{key}{{fill:{dark}}}.{key}-line{{stroke:{dark}}}" for key, (_, dark) in COLOURS.items())
# Per cent of the width: where bars begin, and the length of the longest one. A longer bar would push its value out of
# the plot on a phone, where a plot is 288 px wide.
LEFT, LONGEST = 4, 50
# Pixels.
TOP, HEADING, BAR, STEP, BOTTOM = 64, 34, 14, 46, 12


@dataclass(frozen=True)
class Bar:
    """One value. `low` and `high` are the ends of its whisker; `kind` is the name of its colour."""

    name: str
    value: float
    text: str
    kind: str
    is_ours: bool
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Plot:
    """Groups of bars, each under a heading. `finding` says in words what the plot shows."""

    file: str
    title: str
    unit: str
    finding: str
    groups: dict[str, list[Bar]]

    @property
    def height(self) -> int:
        """In pixels, whatever the width."""
        return TOP + sum(HEADING + STEP * len(bars) for bars in self.groups.values()) + BOTTOM


def plots(results: Results) -> list[Plot]:
    """All plots that have a bar."""
    speed = [_speed(results, operation) for operation in ("whoami", "profile", "login", "refresh")]
    return [plot for plot in (*speed, _growth(results), _memory(results)) if plot.groups]


def svg(plot: Plot) -> str:
    """The plot as SVG. Its title and description tell a screen reader the same."""
    longest = max(max(bar.value, bar.high or 0) for bars in plot.groups.values() for bar in bars) or 1
    body, y = [], TOP
    for heading, bars in plot.groups.items():
        body.append(_text(LEFT, y + 8, heading, "ink", 'font-weight="600"'))
        y += HEADING
        for bar in bars:
            body.append(_bar(bar, y, LONGEST / longest))
            y += STEP
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="100%" height="{plot.height}" role="img" '
            'aria-labelledby="title description" font-family="system-ui, sans-serif" font-size="13">',
            f'<title id="title">{escape(plot.title)}</title>',
            f'<desc id="description">{escape(plot.finding)}</desc>',
            f"<style>@media (prefers-color-scheme:dark){{{DARK}}}</style>",
            f'<rect width="100%" height="{plot.height}" rx="12" {_fill("card")}/>',
            _text(LEFT, 28, plot.title, "ink", 'font-size="16" font-weight="700"'),
            _text(LEFT, 48, plot.unit, "muted"),
            *body,
            "</svg>\n",
        ]
    )


def _bar(bar: Bar, y: int, scale: float) -> str:
    """The name, below it the bar, and to the right of the bar the value. Only this project's bars are full."""
    colour, opacity = COLOURS[bar.kind][0], "1" if bar.is_ours else ".3"
    end = LEFT + max(bar.value, bar.high or 0) * scale
    parts = [
        _text(LEFT, y, bar.name, "ink", 'font-weight="600"' if bar.is_ours else ""),
        f'<rect x="{LEFT}%" y="{y + 7}" width="{bar.value * scale:.2f}%" height="{BAR}" rx="2" '
        f'class="bar {bar.kind} {bar.kind}-line" fill="{colour}" stroke="{colour}" fill-opacity="{opacity}"/>',
        _text(end, y + 18, bar.text, "ink", 'dx="8"'),
    ]
    if bar.low is not None and bar.high is not None:
        low, high, middle = LEFT + bar.low * scale, LEFT + bar.high * scale, y + 7 + BAR / 2
        ends = [(low, low, middle - 4, middle + 4), (high, high, middle - 4, middle + 4), (low, high, middle, middle)]
        parts += [_line(*points) for points in ends]
    return "".join(parts)


def _text(x: float, y: float, text: str, colour: str, more: str = "") -> str:
    return f'<text x="{x:.2f}%" y="{y}" {_fill(colour)} {more}>{escape(text)}</text>'


def _fill(colour: str) -> str:
    return f'class="{colour}" fill="{COLOURS[colour][0]}"'


def _line(left: float, right: float, top: float, bottom: float) -> str:
    return (
        f'<line x1="{left:.2f}%" x2="{right:.2f}%" y1="{top}" y2="{bottom}" class="ink-line" '
        f'stroke="{COLOURS["ink"][0]}" stroke-width="1.5"/>'
    )


def _speed(results: Results, operation: str) -> Plot:
    groups = {
        FLOWS[flow].capitalize(): [
            Bar(
                name=name(results, row),
                value=row["rate"],
                text=f"{number(row['rate'])} · {number(row['ratio'])}×",
                kind=flow,
                is_ours=row["contestant"].startswith(OURS),
                low=min(row["rates"]),
                high=max(row["rates"]),
            )
            for row in fastest_first(results, operation, flow)
        ]
        for flow in ("session", "token")
    }
    return Plot(
        file=f"{operation}.svg",
        title=operation.capitalize() if operation != "whoami" else operation,
        unit="Requests a second; × this project",
        finding=" ".join(filter(None, (winner(results, operation, flow) for flow in ("session", "token")))),
        groups={heading: bars for heading, bars in groups.items() if bars},
    )


def _growth(results: Results) -> Plot:
    groups: dict[str, list[Bar]] = {}
    for found in by_operation(results).values():
        first, last = found[0], found[-1]
        kept = last["rate"] / first["rate"]
        bar = Bar(
            name=act(last["operation"], last["flow"]),
            value=kept,
            text=f"{kept:.0%} · {number(last['rate'])}",
            kind=last["flow"] or "edge",
            is_ours=last["contestant"].startswith(OURS),
        )
        groups.setdefault(name(results, last), []).append(bar)
    sizes = sorted(row["rows"] for row in results.get("growth", [])) or [0]
    return Plot(
        file="growth.svg",
        title=f"From {sizes[0]:,} to {sizes[-1]:,} rows",
        unit="Share of the requests a second that is left",
        finding=" ".join(growth(results)),
        groups=groups,
    )


def _memory(results: Results) -> Plot:
    rows: list[dict[str, Any]] = sorted(select(results, "memory"), key=lambda row: row["after"])
    bars = [
        Bar(
            name=name(results, row),
            value=row["after"],
            text=f"{number(row['after'])} · {number(row['before'])}",
            kind="edge",
            is_ours=row["contestant"].startswith(OURS),
        )
        for row in rows
    ]
    finding = ", ".join(f"{bar.name} {number(bar.value)} MiB" for bar in bars)
    return Plot(
        file="memory.svg",
        title="Memory of a worker",
        unit="MiB after the logins · at the start",
        finding=f"After the logins a worker holds: {finding}.",
        groups={"Less is better": bars} if bars else {},
    )
