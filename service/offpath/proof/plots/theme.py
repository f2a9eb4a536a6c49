"""Colours and type of report and picture.

The colours differ in lightness too, so that colour-blind eyes tell them apart.
"""

from __future__ import annotations

from typing import Final

FONT: Final = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif'
MONO: Final = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace'

LIGHT: Final = (
    "--ground:#ffffff;--card:#f6f7f9;--ink:#1b1f24;--muted:#5b626c;--rule:#dde1e6;--grid:#e9ecef;"
    "--on:#0a5fc2;--off:#868e99;--off-fill:#d5d9df;--unsaved:#b25000;--hook:#0f8568;--bad:#c03a0b;--band:#d9dee5"
)
DARK: Final = (
    "--ground:#101317;--card:#181c22;--ink:#e7e9ec;--muted:#9ba3ae;--rule:#303741;--grid:#242a32;"
    "--on:#6db3ff;--off:#959eaa;--off-fill:#39414c;--unsaved:#f2a45c;--hook:#4cc2a0;--bad:#ff8b5e;--band:#363f4b"
)

PLOT: Final = f"""
svg.plot text{{font-family:{FONT};font-size:12px;fill:var(--ink);font-variant-numeric:tabular-nums}}
svg.plot .muted{{fill:var(--muted)}}
svg.plot .small{{font-size:11px}}
svg.plot .over{{paint-order:stroke;stroke:var(--ground);stroke-width:5px;stroke-linejoin:round}}
svg.plot .strong{{font-weight:600}}
svg.plot .bad-text{{fill:var(--bad)}}
svg.plot .start{{text-anchor:start}} svg.plot .middle{{text-anchor:middle}} svg.plot .end{{text-anchor:end}}
svg.plot .grid{{stroke:var(--grid);stroke-width:1}}
svg.plot .axis{{stroke:var(--rule);stroke-width:1}}
svg.plot .one{{stroke:var(--muted);stroke-width:1}}
svg.plot .limit{{stroke:var(--bad);stroke-width:1.5;stroke-dasharray:4 3}}
svg.plot .blank{{fill:var(--ground)}}
svg.plot .band{{fill:var(--band)}}
svg.plot .zone{{fill:var(--card)}}
svg.plot .interval{{stroke:var(--on);stroke-width:2.5}} svg.plot .point{{fill:var(--on)}}
svg.plot .interval.bad{{stroke:var(--bad)}} svg.plot .point.bad{{fill:var(--bad)}}
svg.plot .line{{fill:none;stroke-width:1.75;stroke-linejoin:round}}
svg.plot .line.on{{stroke:var(--on)}} svg.plot .dot.on{{fill:var(--on)}}
svg.plot .line.off{{stroke:var(--off);stroke-width:4.5}} svg.plot .dot.off{{fill:var(--off)}}
svg.plot .line.unsaved{{stroke:var(--unsaved);stroke-dasharray:5 3}} svg.plot .dot.unsaved{{fill:var(--unsaved)}}
svg.plot .area{{fill:var(--off-fill)}}
svg.plot .mark.on{{stroke:var(--on)}} svg.plot .mark.off{{stroke:var(--off)}}
svg.plot .mark.unsaved{{stroke:var(--unsaved)}}
svg.plot .mark{{stroke-width:1;stroke-dasharray:2 2}}
svg.plot .response{{fill:var(--on)}} svg.plot .responded{{stroke:var(--on);stroke-width:1;stroke-dasharray:3 3}}
svg.plot .hook{{fill:var(--hook)}} svg.plot .hook.bad{{fill:var(--bad)}}
svg.plot .wait{{stroke:var(--hook);stroke-width:1.5}} svg.plot .wait.bad{{stroke:var(--bad)}}
svg.plot .within{{fill:var(--ground);font-weight:600}}
"""
"""Styles of everything that the plots draw."""
