"""A plot as SVG, both axes logarithmic: lines of points with their names, as the page on performance needs it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import escape

Points = Sequence[tuple[float, float]]
WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 720, 400, 80, 50, 40, 200
COLOURS = ("#0b6bcb", "#c4320a", "#1f7a1f", "#7d5fb2")


def plot(title: str, x_title: str, y_title: str, lines: Mapping[str, Points]) -> str:
    """The whole file. Every value is above 0."""
    return "\n".join(_parts(title, x_title, y_title, lines)) + "\n"


def _parts(title: str, x_title: str, y_title: str, lines: Mapping[str, Points]) -> Iterator[str]:
    every = [point for points in lines.values() for point in points]
    x_axis, y_axis = _decades([x for x, _ in every]), _decades([y for _, y in every])

    def place(x: float, y: float) -> tuple[float, float]:
        right = LEFT + (math.log10(x) - x_axis[0]) / (x_axis[-1] - x_axis[0]) * (WIDTH - LEFT - RIGHT)
        up = HEIGHT - BOTTOM - (math.log10(y) - y_axis[0]) / (y_axis[-1] - y_axis[0]) * (HEIGHT - BOTTOM - TOP)
        return round(right, 1), round(up, 1)

    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">'
    )
    yield f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>'
    yield f'<text x="{LEFT}" y="22" font-size="15">{escape(title)}</text>'
    for power in x_axis:
        x, y = place(10.0**power, 10.0 ** y_axis[0])
        yield f'<line x1="{x}" y1="{y}" x2="{x}" y2="{TOP}" stroke="#ddd"/>'
        yield f'<text x="{x}" y="{y + 18}" text-anchor="middle">{10**power:,}</text>'
    for power in y_axis:
        x, y = place(10.0 ** x_axis[0], 10.0**power)
        yield f'<line x1="{x}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="#ddd"/>'
        yield f'<text x="{x - 8}" y="{y + 4}" text-anchor="end">{10.0**power:,g}</text>'
    yield f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_title)}</text>'
    yield f'<text transform="translate(16 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">{escape(y_title)}</text>'
    for (name, points), colour in zip(lines.items(), COLOURS, strict=False):
        places = [place(x, y) for x, y in points]
        path = " ".join(f"{x},{y}" for x, y in places)
        yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield from (f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in places)
        yield f'<text x="{places[-1][0] + 10}" y="{places[-1][1] + 4}" fill="{colour}">{escape(name)}</text>'
    yield "</svg>"


def _decades(values: Sequence[float]) -> range:
    """Powers of ten around the values: at least two."""
    lowest, highest = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return range(lowest, max(highest, lowest + 1) + 1)
