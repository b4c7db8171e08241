#!/usr/bin/env python3
"""Draws shares of the device over time, one panel per policy: share_over_time.py DATA.json FIGURE.svg

DATA.json is what `hami-bench-compute --figure DATA.json` writes; `make compute-figure` does both.
"""

import json
import sys
from xml.sax.saxutils import escape

WIDTH, PANEL, PLOT_HEIGHT = 760, 190, 120
LEFT, RIGHT, TOP = 48, 12, 34
# Colours that stay apart for the colour-blind (Okabe and Ito).
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"]


def text(x, y, words, anchor="start", colour="#333"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'


def panel(data, top):
    seconds = len(data["tenants"][0]["share"]) * data["step_ms"] / 1000
    plot_width = WIDTH - LEFT - RIGHT
    right, bottom = WIDTH - RIGHT, top + TOP + PLOT_HEIGHT

    def x(second):
        return LEFT + plot_width * second / seconds

    def y(percent):
        return bottom - PLOT_HEIGHT * percent / 100

    parts = [f'<g font-weight="bold">{text(LEFT, top + 14, data["policy"])}</g>']
    for percent in range(0, 101, 25):
        parts.append(f'<line x1="{LEFT}" x2="{right}" y1="{y(percent):.1f}" y2="{y(percent):.1f}" stroke="#ddd"/>')
        parts.append(text(LEFT - 6, y(percent) + 4, f"{percent} %", "end"))
    for second in range(int(seconds) + 1):
        parts.append(text(x(second), bottom + 14, f"{second} s", "middle"))
    for index, (tenant, colour) in enumerate(zip(data["tenants"], COLOURS, strict=False)):
        parts.append(
            f'<line x1="{LEFT}" x2="{right}" y1="{y(tenant["asked"]):.1f}" y2="{y(tenant["asked"]):.1f}" '
            f'stroke="{colour}" stroke-dasharray="3 4" opacity="0.6"/>'
        )
        points = []
        for step, share in enumerate(tenant["share"]):
            for edge in (step, step + 1):
                points.append(f"{x(edge * data['step_ms'] / 1000):.1f},{y(min(share, 100)):.1f}")
        parts.append(f'<polyline points="{" ".join(points)}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        length = f"{tenant['kernel_us'] / 1000:g} ms" if tenant["kernel_us"] >= 1000 else f"{tenant['kernel_us']} µs"
        awake = tenant["awake"].replace("-", "–")
        words = f"{tenant['asked']:g} %, {tenant['policy']}, {length} kernels, {awake} s"
        parts.append(text(LEFT + index * plot_width / 3, top + 29, words, colour=colour))
    return "\n".join(parts)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    with open(sys.argv[1], encoding="utf-8") as file:
        panels = json.load(file)
    height = PANEL * len(panels)
    body = "\n".join(panel(data, PANEL * index) for index, data in enumerate(panels))
    with open(sys.argv[2], "w", encoding="utf-8") as file:
        file.write(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
            f'font-size="11">\n<rect width="{WIDTH}" height="{height}" fill="white"/>\n{body}\n</svg>\n'
        )


if __name__ == "__main__":
    main()
