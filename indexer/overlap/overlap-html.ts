import type { ChainBlock } from "../catalog/records.ts";
import { escapeHtml } from "../html/escape-html.ts";
import { card, htmlPage } from "../html/page.ts";
import { overlapGrid } from "./overlap-grid.ts";
import type { FamilyOverlap, ModelOverlap, OverlapSummary } from "./overlap-of-family.ts";
import { PATTERNS } from "./patterns.ts";

const STYLE = `
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
  return htmlPage({
    title: `Overlap of ${family}`,
    subtitle: `How much of the backbone of ${base} its fine-tunes still have.`,
    style: STYLE,
    body: `${cards(summary)}
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
</div>`,
  });
}

const byOverlap = (a: ModelOverlap, b: ModelOverlap): number =>
  PATTERNS.indexOf(a.pattern) - PATTERNS.indexOf(b.pattern) ||
  b.sharedBlocks - a.sharedBlocks ||
  (a.model < b.model ? -1 : 1);

function cards(summary: OverlapSummary): string {
  const { models, overlapping, overlapShare, bytes, uniqueBytes } = summary;
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
