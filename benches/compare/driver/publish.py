"""Writes what was measured into PERFORMANCE.md, between its marks, and the charts into docs/img."""
import re

from . import chart, rows
from .report import number, spread, table

MIB = 1 << 20


class Figures:
    """The lines of a summary, by workload, contestant and figure."""

    def __init__(self, lines):
        self.lines = {(line["workload"], line["who"], line["figure"]): line for line in lines}

    def line(self, workload, who, figure):
        return self.lines.get((workload, who, figure))

    def median(self, workload, who, figure):
        line = self.line(workload, who, figure)
        return line and line["median"]

    def rounds(self):
        counts = [line["n"] for line in self.lines.values()]
        return f"{min(counts)} to {max(counts)}" if min(counts) < max(counts) else f"{max(counts)}"


def publish(root, lines, machine):
    figures = Figures(lines)
    blocks = {"machine": _machine(figures, machine), "figures": main_table(figures), "workers": workers_table(figures),
              "connections": curve_table(figures, rows.CURVES[-2:]), "names": curve_table(figures, rows.CURVES[:3]),
              "certificates": curve_table(figures, rows.CURVES[3:8])}
    path = root / "PERFORMANCE.md"
    text = path.read_text()
    for name, block in blocks.items():
        mark = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.S)
        text, count = mark.subn(lambda found: found[1] + "\n" + block + "\n" + found[2], text)
        if not count:
            raise SystemExit(f"compare: PERFORMANCE.md has no place for {name}")
    path.write_text(text)
    (root / "docs/img/ratios.svg").write_text(ratios_chart(figures))
    (root / "docs/img/growth.svg").write_text(growth_chart(figures))


def _machine(figures, machine):
    return f"{machine.strip()}; medians of {figures.rounds()} rounds.\n"


def _aim(row):
    return f"≤ {row.ratio:.2f}" if row.ratio else f"≤ {number(row.most)} B" if row.most else ""


def missed(figures):
    """The rows of which Lockgate misses the aim."""
    found = []
    for row in rows.MAIN:
        line = figures.line(row.workload, "lockgate", row.figure)
        if line and (row.ratio and (line["ratio"] or 0) > row.ratio or row.most and line["median"] > row.most):
            found.append((row, line))
    return found


def main_table(figures):
    shown = [who for who in rows.CONTESTANTS if any(key[1] == who for key in figures.lines)]
    body = []
    for row in rows.MAIN:
        found = {who: figures.line(row.workload, who, row.figure) for who in shown}
        if not any(found.values()):
            continue
        own = found.get("lockgate")
        ratio = f"**{own['ratio']:.2f}**" if own and own["ratio"] else "–"
        body.append([row.title, *(spread(line) if line else "–" for line in found.values()), ratio,
                     _ratio(own, found.get("nginx-debian")), _aim(row)])
    return table(["workload", *(rows.NAMES[who] for who in shown), "Lockgate : nginx", ": Debian's", "aim"], body)


def _ratio(own, other):
    """That of the medians."""
    return f"{own['median'] / other['median']:.2f}" if own and other and other["median"] else "–"


def workers_table(figures):
    """The last column is work per second of two by that of one: as seen, or for costs what they come to on full cores."""
    body = []
    for title, workload, figure in rows.WORKERS:
        for who in rows.CONTESTANTS:
            one, two = (figures.line(f"{workload}-{count}", who, figure) for count in (1, 2))
            if one and two:
                ratio = two["median"] / one["median"]
                body.append([title, rows.NAMES[who], spread(one), spread(two),
                             f"{2 / ratio if figure.startswith('CPU') else ratio:.2f}"])
    return table(["", "", "1 worker", "2 workers", "work of 2 : 1"], body)


def _series(figures, curve):
    series = {}
    for who in rows.CONTESTANTS:
        points = {}
        for x, workload in curve.points.items():
            value = figures.median(workload, who, curve.figure)
            if value and curve.times:
                value = value * x / MIB + (figures.median(workload, who, curve.plus) or 0)
            if value:
                points[x] = value
        if len(points) > 1:
            series[who] = points
    return series


def curve_table(figures, curves):
    """A row for each curve and contestant; `curves` have the same points."""
    alike = len({curve.of for curve in curves}) == 1
    body = []
    for curve in curves:
        title = curve.title if alike else f"{curve.title} ({curve.of})"
        for who, points in _series(figures, curve).items():
            first, last = (points.get(x) for x in (min(curve.points), max(curve.points)))
            body.append([title, rows.NAMES[who], *(number(points[x]) if x in points else "–" for x in curve.points),
                         number(last / first) if first and last else "–"])
    return table(["", "", *(f"{x:,}" for x in curves[0].points), "last : first"], body)


def ratios_chart(figures):
    aims = {(row.workload, row.figure): row.ratio for row in rows.MAIN}
    groups = []
    for label, workload, figure in rows.BARS:
        found = {who: figures.line(workload, who, figure) for who in ("lockgate", "haproxy", "envoy", "nginx-debian")}
        ratios = {who: line["ratio"] for who, line in found.items() if line and line["ratio"] is not None}
        if ratios:
            groups.append((label, ratios, aims.get((workload, figure))))
    names = {who: rows.NAMES[who] for who in ("lockgate", "haproxy", "envoy", "nginx-debian")}
    return chart.bars("Cost by nginx's: shorter is cheaper, 1 is nginx",
                      "For each workload a bar for each contestant: its cost divided by that of nginx. The figures are in the "
                      "table of PERFORMANCE.md.", groups, names)


def growth_chart(figures):
    panels = [(curve.title, curve.of, _series(figures, curve)) for curve in rows.CURVES]
    present = {who for _, _, series in panels for who in series}
    names = {who: rows.NAMES[who] for who in rows.CONTESTANTS if who in present}
    return chart.curves("How cost grows, both axes logarithmic",
                        "Start, memory and CPU time by the number of names, certificates and connections. The figures are in "
                        "the tables of PERFORMANCE.md.", [panel for panel in panels if panel[2]], names)
