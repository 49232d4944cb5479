"""What came out: a table in Markdown, the figures in JSON, and a plot in SVG."""

import json
import os
import statistics
import time
from html import escape
from math import log10

CAPTION = "ratio revtun / Envoy, median of the pairs; longer to the right is more"


def ratios(taken):
    """revtun / Envoy, pair by pair."""
    return [ours / theirs for ours, theirs in zip(taken["revtun"], taken["Envoy"], strict=True)]


class Report:
    def __init__(self, measures, taken, arguments, versions, seconds):
        self.rows = [row for measure in measures for row in measure.ROWS]
        self.taken = taken
        self.arguments = arguments
        self.versions = versions
        self.seconds = seconds

    def table(self):
        lines = [
            "| measure | unit | revtun | Envoy | haproxy | rathole | ratio | spread of the ratio | at least | strive for | |",
            "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- | ---: | ---: | --- |",
        ]
        for row in self.rows:
            taken = self.taken[row.name]
            ratio = ratios(taken)
            median = statistics.median(ratio)
            figures = [figure(taken.get(name), row.scale) for name in ("revtun", "Envoy", "haproxy", "rathole")]
            sign = "≥" if row.higher_is_better else "≤"
            verdict = "reached" if row.reached(median, row.strive) else "holds" if row.reached(median, row.at_least) else "**missed**"
            lines.append(
                f"| {row.title} | {row.unit} | {' | '.join(figures)} | {median:.2f} | {min(ratio):.2f} – {max(ratio):.2f} "
                f"| {sign} {row.at_least} | {sign} {row.strive} | {verdict} |"
            )
        return "\n".join(lines) + "\n"

    def write(self, folder):
        folder.mkdir(exist_ok=True)
        (folder / "table.md").write_text(self.heading() + self.table() + self.footing())
        (folder / "ratios.svg").write_text(self.plot())
        (folder / "figures.json").write_text(json.dumps(self.taken, indent=1) + "\n")

    def heading(self):
        arguments = self.arguments
        return (
            "# revtun and Envoy on the same work\n\n"
            f"Written by `tests/bench/run --write --pairs {arguments.pairs} --seconds {arguments.seconds} "
            f"--profile {arguments.profile}` on {time.strftime('%Y-%m-%d')}, in {self.seconds / 60:.0f} minutes: "
            f"{arguments.pairs} pairs for each measure, in turn. Figures are medians; ratios are revtun / Envoy, pair by pair. "
            f"haproxy is haproxy → HTTP/2 → haproxy, which is no tunnel; rathole is a tunnel for bytes of whatever protocol.\n\n"
        )

    def footing(self):
        load = ", ".join(f"{average:.1f}" for average in os.getloadavg())
        versions = "\n".join(f"- {name}: {said}" for name, said in self.versions.items())
        return f"\n{machine()}; load averages at the end {load} (1, 5, 15 minutes).\n\n{versions}\n"

    def plot(self):
        """One bar for each row on a logarithmic axis, with marks for what it should at least be, and is to strive for."""
        height, left, width = 24, 330, 520
        low, high = log10(0.02), log10(10)

        def x(ratio):
            return left + width * (min(max(log10(ratio), low), high) - low) / (high - low)

        drawn = []
        for number, row in enumerate(self.rows):
            y = 40 + number * height
            ratio = statistics.median(ratios(self.taken[row.name]))
            colour = "#2a9d4a" if row.reached(ratio, row.at_least) else "#c8452d"
            begin, end = sorted((x(1), x(ratio)))
            drawn.append(f'<text x="{left - 8}" y="{y + 12}" text-anchor="end">{escape(row.title)}</text>')
            drawn.append(f'<rect x="{begin:.1f}" y="{y}" width="{max(end - begin, 1):.1f}" height="15" fill="{colour}"/>')
            for mark, dash in ((row.at_least, ""), (row.strive, ' stroke-dasharray="2 2"')):
                at = f"{x(mark):.1f}"
                drawn.append(f'<line x1="{at}" x2="{at}" y1="{y - 3}" y2="{y + 18}" stroke="#222"{dash}/>')
            drawn.append(f'<text x="{left + width + 8}" y="{y + 12}">{ratio:.2f}</text>')
        bottom = 40 + len(self.rows) * height
        for tick in (0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10):
            drawn.append(f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="32" y2="{bottom}" stroke="#ccc" stroke-width="0.5"/>')
            drawn.append(f'<text x="{x(tick):.1f}" y="{bottom + 14}" text-anchor="middle">{tick}</text>')
        caption = f'<text x="10" y="18" font-weight="bold">{CAPTION}; solid mark: at least, dashed: strive for</text>'
        size = f'width="{left + width + 60}" height="{bottom + 24}"'
        style = 'font-family="sans-serif" font-size="11"'
        body = "\n".join([caption, *drawn])
        return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>\n<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'


def figure(values, scale):
    return f"{statistics.median(values) * scale:,.4g}" if values else ""


def machine():
    with open("/proc/cpuinfo") as lines:
        model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    return f"Machine: {os.cpu_count()} processors ({model})"
