"""Charts as SVG, legible on light and dark pages. Knows shapes and colours, not what is measured."""
import math
from xml.sax.saxutils import escape

from .report import number

STYLE = """
    text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2933; }
    .page { fill: #fbfcfd; stroke: #d5dce3; }
    .small { font-size: 11px; fill: #566472; }
    .halo { font-size: 11px; stroke: #fbfcfd; stroke-width: 3px; }
    .title { font-weight: 600; }
    .grid { stroke: #dfe5eb; }
    .base { stroke: #566472; stroke-width: 1.5; }
    .aim { stroke: #1f2933; stroke-width: 1.5; stroke-dasharray: 2 2; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e3e9ef; }
      .page { fill: #12181f; stroke: #2d3947; }
      .small { fill: #9fb0c0; }
      .halo { stroke: #12181f; }
      .grid { stroke: #2d3947; }
      .base { stroke: #9fb0c0; }
      .aim { stroke: #e3e9ef; }
    }
"""
COLOURS = {"nginx": "#7d8894", "nginx-debian": "#b3a369", "lockgate": "#0e8fae", "haproxy": "#7f6bc4",
           "haproxy-splice": "#a99be0", "envoy": "#d0703c"}


class Drawing:
    """Elements of a picture, from the top left."""

    def __init__(self, width, height, title, description):
        self.size, self.title, self.description = (width, height), title, description
        self.elements = []
        self.colours = {}

    def text(self, x, y, words, kind="", anchor="start"):
        self.elements.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(words)}</text>')

    def line(self, x1, y1, x2, y2, kind):
        self.elements.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>')

    def bar(self, x, y, width, height, who):
        self.elements.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height}" '
                             f'fill="{COLOURS[who]}"/>')

    def curve(self, points, who):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        width = 3 if who == "lockgate" else 2
        self.elements.append(f'<polyline points="{path}" fill="none" stroke="{COLOURS[who]}" stroke-width="{width}"/>')
        self.elements += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{width}" fill="{COLOURS[who]}"/>' for x, y in points]

    def legend(self, x, y, names):
        for who, name in names.items():
            self.elements.append(f'<rect x="{x}" y="{y - 10}" width="14" height="10" fill="{COLOURS[who]}"/>')
            self.text(x + 20, y, name)
            x += 34 + 7.2 * len(name)
        return x

    def svg(self):
        width, height = self.size
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
                f'role="img" aria-labelledby="title desc">\n  <title id="title">{escape(self.title)}</title>\n'
                f'  <desc id="desc">{escape(self.description)}</desc>\n  <style>{STYLE}  </style>\n'
                f'  <rect class="page" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="6"/>\n  '
                + "\n  ".join(self.elements) + "\n</svg>\n")


def bars(title, description, groups, names, most=2.0):
    """`groups`: (label, {who: ratio}, aim or none). Bars from the left, a line where the base is, longer ones cut off."""
    left, width, thick, gap = 220, 900, 10, 12
    height = 96 + sum(len(ratios) * (thick + 1) + gap for _, ratios, _ in groups)
    scale = (width - left - 60) / most
    drawing = Drawing(width, height, title, description)
    drawing.text(20, 30, title, "title")
    end = drawing.legend(20, 54, names)
    if any(aim for _, _, aim in groups):
        drawing.line(end + 4, 44, end + 4, 56, "aim")
        drawing.text(end + 12, 54, "Lockgate's aim")
    bottom = height - 26
    for step in range(int(most * 4) + 1):
        x = left + step / 4 * scale
        drawing.line(x, 68, x, bottom, "base" if step == 4 else "grid")
        drawing.text(x, bottom + 16, f"{step / 4:g}", "small", "middle")
    y = 74
    for label, ratios, aim in groups:
        tall = len(ratios) * (thick + 1)
        drawing.text(left - 10, y + tall / 2 + 4, label, "", "end")
        for place, (who, ratio) in enumerate(ratios.items()):
            drawing.bar(left, y + place * (thick + 1), min(ratio, most) * scale, thick, who)
        if aim:
            x = left + aim * scale
            drawing.line(x, y - 3, x, y + tall + 2, "aim")
        for ratio in ratios.values():
            x, words = left + min(ratio, most) * scale + 5, f"{ratio:.2f}{' ▸' * (ratio > most)}"
            for kind in ("halo", "small"):
                drawing.text(x, y + thick - 0.5, words, kind)
            y += thick + 1
        y += gap
    return drawing.svg()


class _Scale:
    """A logarithmic axis over values, by whole powers of ten where they span more than one."""

    def __init__(self, values, start, end):
        low, high = math.log10(min(values)), math.log10(max(values))
        if high - low < 0.9:
            low, high = low - 0.15, high + 0.15
        else:
            low, high = low - 0.05, high + 0.05
        self.low, self.high, self.start, self.end = low, high, start, end

    def at(self, value):
        return self.start + (math.log10(value) - self.low) / (self.high - self.low) * (self.end - self.start)

    def marks(self):
        few = [10 ** power for power in range(math.ceil(self.low), math.floor(self.high) + 1)]
        if len(few) >= 3:
            return few
        powers = range(math.floor(self.low), math.ceil(self.high) + 1)
        steps = (1, 2, 5) if few or self.high - self.low > 0.6 else (1, 1.5, 2, 3, 4, 5, 6, 8)
        fine = [step * 10 ** power for power in powers for step in steps]
        return [mark for mark in fine if self.low <= math.log10(mark) <= self.high]


def curves(title, description, panels, names, columns=2):
    """`panels`: (title, what the abscissa counts, {who: {x: y}}). Both axes are logarithmic."""
    wide, tall = 440, 230
    width, height = 20 + columns * wide, 70 + math.ceil(len(panels) / columns) * tall
    drawing = Drawing(width, height, title, description)
    drawing.text(20, 30, title, "title")
    drawing.legend(20, 54, names)
    for place, (name, of, series) in enumerate(panels):
        left, top = 20 + place % columns * wide, 70 + place // columns * tall
        _panel(drawing, left, top, wide, tall, name, of, series)
    return drawing.svg()


def _panel(drawing, left, top, wide, tall, name, of, series):
    xs = [x for points in series.values() for x in points]
    ys = [y for points in series.values() for y in points.values()]
    drawing.text(left + 50, top + 16, name, "title")
    if not xs or min(ys) <= 0:
        return
    across = _Scale(xs, left + 60, left + wide - 30)
    up = _Scale(ys, top + tall - 44, top + 28)
    for mark in up.marks():
        drawing.line(left + 50, up.at(mark), left + wide - 20, up.at(mark), "grid")
        drawing.text(left + 44, up.at(mark) + 4, number(mark).rstrip("0").rstrip(".") if mark < 100 else number(mark),
                     "small", "end")
    for x in sorted(set(xs)):
        drawing.text(across.at(x), top + tall - 26, f"{x:,}", "small", "middle")
    drawing.text(left + wide / 2 + 15, top + tall - 11, of, "small", "middle")
    for who, points in sorted(series.items(), key=lambda item: item[0] == "lockgate"):
        drawing.curve([(across.at(x), up.at(y)) for x, y in sorted(points.items())], who)
