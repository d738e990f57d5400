import type { ChainBlock } from "../catalog/records.ts";
import { escapeHtml } from "./escape-html.ts";
import { overlapGrid } from "./overlap-grid.ts";
import type { FamilyOverlap, ModelOverlap, OverlapSummary } from "./overlap-of-family.ts";
import { PATTERNS } from "./patterns.ts";

const STYLE = `
:root { color-scheme: light dark; --text: #1d2430; --quiet: #5d6775; --page: #fff; --card: #f3f5f8; --line: #dde2e9;
  --same: #2f7d5b; --moved: #9ccfb5; --changed: #cdd3db; }
@media (prefers-color-scheme: dark) { :root { --text: #e6e9ee; --quiet: #9aa4b2; --page: #14181e; --card: #1d232b;
  --line: #303844; --same: #46b383; --moved: #2b5f49; --changed: #3f4854; } }
body { margin: 2rem auto; padding: 0 1.5rem; max-width: 76rem; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem }
.quiet { color: var(--quiet); margin: .2rem 0 1.2rem }
.cards { display: flex; flex-wrap: wrap; gap: .8rem }
.card { background: var(--card); border-radius: 8px; padding: .7rem 1rem; min-width: 9rem }
.card b { display: block; font-size: 1.35rem; font-variant-numeric: tabular-nums } .card span { color: var(--quiet) }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .3rem .7rem; border-bottom: 1px solid var(--line) }
td { white-space: nowrap } td:first-child { white-space: normal; overflow-wrap: anywhere } th { color: var(--quiet); font-weight: 600; white-space: nowrap }
.number { text-align: right }
svg text { font: 12px system-ui, sans-serif; fill: var(--text) }
.same { fill: var(--same) } .moved { fill: var(--moved) } .changed { fill: var(--changed) }
.key { display: inline-block; width: .9rem; height: .9rem; border-radius: 2px; vertical-align: -2px; margin: 0 .3rem 0 1rem }
.key.same { background: var(--same); margin-left: 0 } .key.moved { background: var(--moved) }
.key.changed { background: var(--changed) }`;

/** The overlap of a family as one self-contained HTML page: no script, no request, names escaped. */
export function overlapHtml(overlap: FamilyOverlap, chains: ReadonlyMap<string, readonly ChainBlock[]>): string {
  const { family, base, summary } = overlap;
  const models = [...overlap.models].sort(byOverlap);
  const row = (model: string) => ({ model, chain: chains.get(model) ?? [] });
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Overlap of ${escapeHtml(family)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Overlap of ${escapeHtml(family)}</h1>
<p class="quiet">How much of the backbone of ${escapeHtml(base)} its fine-tunes still have.</p>
${cards(summary)}
<h2>Blocks</h2>
<p class="quiet"><span class="key same"></span>the base's block<span class="key moved"></span>a block of the base, elsewhere<span class="key changed"></span>changed</p>
<div class="wide">
${overlapGrid(
  row(base),
  models.map(({ model }) => row(model)),
)}
</div>
<h2>Models</h2>
<div class="wide">
${table(models)}
</div>
</body>
</html>
`;
}

const byOverlap = (a: ModelOverlap, b: ModelOverlap): number =>
  PATTERNS.indexOf(a.pattern) - PATTERNS.indexOf(b.pattern) ||
  b.sharedBlocks - a.sharedBlocks ||
  (a.model < b.model ? -1 : 1);

function cards(summary: OverlapSummary): string {
  const { models, overlapping, overlapShare, bytes, uniqueBytes } = summary;
  const card = (value: string, label: string) => `<div class="card"><b>${value}</b><span>${label}</span></div>`;
  const saved = bytes === 0 ? 0 : 1 - uniqueBytes / bytes;
  return `<div class="cards">
${card(String(models), "fine-tunes")}
${card(`${overlapping} (${percent(overlapShare)})`, "share blocks with the base")}
${card(byteText(bytes), "in all backbones")}
${card(byteText(uniqueBytes), `stored once (${percent(saved)} saved)`)}
</div>
<h2>Patterns</h2>
<div class="cards">
${PATTERNS.map((pattern) => card(String(summary.patterns[pattern]), pattern)).join("\n")}
</div>`;
}

function table(models: readonly ModelOverlap[]): string {
  const number = (text: string) => `<td class="number">${text}</td>`;
  const rows = models.map(
    (row) =>
      `<tr><td>${escapeHtml(row.model)}</td><td>${row.pattern}</td>${number(`${row.sharedBlocks} of ${row.blocks}`)}` +
      `${number(String(row.sharedPrefix))}${number(byteText(row.sharedBytes))}` +
      `${number(percent(row.bytes === 0 ? 0 : row.sharedBytes / row.bytes))}` +
      `<td><code>${escapeHtml(row.revision.slice(0, 7))}</code></td></tr>`,
  );
  return `<table>
<thead><tr><th>model</th><th>pattern</th><th class="number">shared blocks</th><th class="number">shared prefix</th>
<th class="number">shared bytes</th><th class="number">of its backbone</th><th>revision</th></tr></thead>
<tbody>
${rows.join("\n")}
</tbody>
</table>`;
}

const percent = (share: number): string => `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;

function byteText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  const power = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power] ?? ""}`;
}
