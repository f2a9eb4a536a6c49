"""The report's style sheet: light and dark, wide and narrow, screen and paper. It holds no `<`, `>` or `&`."""

from __future__ import annotations

from typing import Final

from offpath.proof.plots.theme import DARK, FONT, LIGHT, MONO, PLOT

STYLE: Final = (
    f"""
:root{{color-scheme:light dark;{LIGHT}}}
@media screen and (prefers-color-scheme:dark){{:root{{{DARK}}}}}
*{{box-sizing:border-box}}
body{{margin:0;background:var(--ground);color:var(--ink);font:15px/1.55 {FONT};overflow-wrap:break-word;
-webkit-text-size-adjust:100%}}
main{{max-width:908px;margin:0 auto;padding:40px 24px 64px}}
h1{{font-size:17px;font-weight:600;margin:0 0 2px}}
h2{{font-size:22px;line-height:1.3;font-weight:600;margin:56px 0 6px;padding-top:20px;border-top:1px solid var(--rule)}}
h3{{font-size:15px;font-weight:600;margin:32px 0 8px}}
p{{margin:0 0 12px;max-width:72ch}}
.muted,figcaption,small{{color:var(--muted)}}
.meta{{color:var(--muted);font-size:13px;margin:0 0 28px}}
.result{{font-size:27px;line-height:1.3;font-weight:600;letter-spacing:-0.01em;margin:0 0 8px;max-width:none}}
.result .figure{{color:var(--on);white-space:nowrap}}
.lead{{font-size:16px}}
.badge{{display:inline-block;min-width:104px;white-space:nowrap;font-size:12px;font-weight:600;padding:1px 8px;
border:1px solid currentColor;border-radius:4px;text-align:center}}
.kept{{color:var(--hook)}} .missed{{color:var(--bad)}} .unresolved{{color:var(--unsaved)}}
.note{{border-left:3px solid var(--unsaved);padding:2px 0 2px 12px;margin:0 0 12px;max-width:72ch}}
figure{{margin:20px 0 8px;break-inside:avoid}}
figcaption{{font-size:13px;line-height:1.5;margin-top:8px;max-width:80ch}}
svg.plot{{display:block;width:100%;height:auto}}
svg.plot.narrow{{display:none;max-width:480px}}
svg.swatch{{display:inline-block;width:26px;height:12px;vertical-align:-1px;margin-right:5px}}
.keys{{display:flex;flex-wrap:wrap;gap:2px 18px;font-size:13px;margin:0 0 8px}}
.scroll{{overflow-x:auto;margin:8px 0 12px}}
table{{border-collapse:collapse;font-size:13.5px;line-height:1.4;font-variant-numeric:tabular-nums;width:100%}}
th,td{{text-align:left;padding:6px 14px 6px 0;border-bottom:1px solid var(--rule);vertical-align:top}}
th:last-child,td:last-child{{padding-right:0}}
thead th{{font-weight:600;color:var(--muted);font-size:12.5px;vertical-align:bottom}}
tbody th{{font-weight:600}}
.n{{text-align:right;white-space:nowrap}}
.c{{white-space:nowrap}}
.verdicts th{{white-space:nowrap}} .verdicts .reason{{width:45%}}
table.facts{{width:auto}} table.facts th{{font-weight:400;color:var(--muted);white-space:nowrap}}
code,pre{{font-family:{MONO};font-size:13px}}
pre{{background:var(--card);border:1px solid var(--rule);border-radius:6px;padding:10px 12px;white-space:pre-wrap;
overflow-wrap:anywhere;margin:0 0 12px}}
details{{margin:4px 0 12px}} summary{{cursor:pointer;color:var(--muted);font-size:13px}}
nav ul{{list-style:none;padding:0;margin:0;font-size:13.5px;columns:2}}
a{{color:var(--on);text-decoration-thickness:1px;text-underline-offset:2px}}
a:focus-visible,summary:focus-visible,.scroll:focus-visible{{outline:2px solid var(--on);outline-offset:2px}}
@media screen and (max-width:720px){{
main{{padding:24px 16px 48px}}
svg.plot.wide{{display:none}} svg.plot.narrow{{display:block}}
.verdicts thead{{display:none}}
.verdicts tr{{display:flex;flex-wrap:wrap;gap:2px 14px;padding:8px 0;border-bottom:1px solid var(--rule)}}
.verdicts th,.verdicts td{{border:0;padding:0}} .verdicts th,.verdicts .reason{{flex-basis:100%}}
.result{{font-size:22px}} h2{{font-size:19px;margin-top:40px}} nav ul{{columns:1}}
th,td{{padding-right:12px}}
}}
@page{{size:A4;margin:16mm 15mm}}
@media print{{
body{{font-size:10.5pt;print-color-adjust:exact;-webkit-print-color-adjust:exact}}
main{{max-width:none;padding:0}} h2,h3{{break-after:avoid}} h2{{margin-top:28px}} tr{{break-inside:avoid}}
th,td{{padding-right:10px}} .scroll{{overflow:visible}} .keys{{break-after:avoid}} nav{{display:none}}
table{{font-size:8.5pt}}
}}
"""
    + PLOT
)
