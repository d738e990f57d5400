import { formatBytes } from "../../crawler/format-bytes.ts";
import { escapeHtml } from "../../indexer/html/escape-html.ts";
import { card, htmlPage, htmlTable } from "../../indexer/html/page.ts";
import type { Fallback } from "../fall-back.ts";
import type { SearchResult } from "../search-result.ts";

/** What the page is headed with. */
export interface SearchReportInput extends SearchResult {
  readonly run: string;
  readonly family: string | null;
  readonly strategy: string;
  readonly proxy: string;
  readonly seed: number;
  readonly models: number;
  readonly dataSet: string;
}

const STYLE = `svg text { font: 12px system-ui, sans-serif; fill: var(--text) }
.bar { fill: var(--same) } .rest { fill: var(--changed) }
.data { fill: #8b9bb4 } .load { fill: #d9a441 } .inference { fill: var(--same) } .proxy { fill: #7a6bb0 } .plan { fill: #c2566b }`;

/** A search as one self-contained HTML page: the ranking, the rounds, and where the time went. */
export function searchReport(report: SearchReportInput): string {
  const {
    run,
    family,
    strategy,
    proxy,
    seed,
    models,
    items,
    ranking,
    failed,
    cost,
    seconds,
    rounds,
    dataSet,
    fallbacks,
  } = report;
  const [winner] = ranking;
  const work = cost.baseBlockItems > 0 ? (100 * cost.blockItems) / cost.baseBlockItems : 0;
  const problems = failed.map(({ model, reason }) => [model, reason]);
  return htmlPage({
    title: winner ? `Start from ${winner.model}` : "No model was scored",
    subtitle: `Run ${run}: ${models} candidates${family ? ` of ${family}` : ""} on ${dataSet} (${items.train} training, ${items.test} test items), strategy ${strategy}, proxy ${proxy}, seed ${seed}.`,
    style: STYLE,
    body: `<div class="cards">
${winner ? card(winner.score.toFixed(4), "score of the best model") : ""}
${card(`${seconds.total.toFixed(1)} s`, `for ${rounds.length} rounds`)}
${card(`${work.toFixed(1)} %`, "of the work of scoring all on everything")}
${card(formatBytes(cost.peakBytes), `peak, of a budget of ${formatBytes(cost.budget)}`)}
${cost.deviceBudget > 0 ? card(formatBytes(cost.devicePeakBytes), `peak on the device, of ${formatBytes(cost.deviceBudget)}`) : ""}
</div>
<h2>Ranking</h2>
${scoreBars(report)}
${htmlTable(
  ["model", "rank", "score", "round", "training items", "revision"],
  ranking.map((entry) => [
    entry.model,
    String(entry.rank),
    `${entry.score.toFixed(4)}${entry.tied ? " (tied)" : ""}`,
    String(entry.round),
    String(entry.items),
    entry.revision.slice(0, 7),
  ]),
  1,
)}
<h2>Rounds</h2>
${htmlTable(
  ["round", "models", "new training items", "seconds"],
  rounds.map((round) => [String(round.round), String(round.models), String(round.items), round.seconds.toFixed(1)]),
  0,
)}
<h2>Where the time went</h2>
${timeBar(report)}
${fallbacks.length > 0 ? `<h2>Steps that were repeated</h2>\n${fallbackTable(fallbacks)}` : ""}
${problems.length > 0 ? `<h2>Models that failed</h2>\n${htmlTable(["model", "reason"], problems, 2)}` : ""}`,
  });
}

const fallbackTable = (fallbacks: readonly Fallback[]): string =>
  htmlTable(
    ["round", "device", "blocks", "what failed", "repeated"],
    fallbacks.map(({ round, device, blocks, reason, then }) => [
      String(round),
      device,
      blocks.join(", "),
      reason,
      then,
    ]),
    5,
  );

const BAR_WIDTH = 640;
const NAME_WIDTH = 330;
/** More bars than these are not read; the table has the others. */
const MAX_BARS = 40;

/** A bar a model: longer is better; models that fell in an earlier round are paler, as their scores rest on less. */
function scoreBars({ ranking, rounds }: SearchReportInput): string {
  const shown = ranking.slice(0, MAX_BARS);
  const most = Math.max(...shown.map(({ score }) => score), Number.MIN_VALUE);
  const bars = shown.map(({ model, score, round }, index) => {
    const y = index * 22;
    const width = Math.max(0, ((BAR_WIDTH - NAME_WIDTH - 60) * score) / most);
    const opacity = 0.35 + (0.65 * round) / Math.max(1, rounds.length);
    const label = `<text x="${NAME_WIDTH - 8}" y="${y + 15}" text-anchor="end">${escapeHtml(shorten(model))}<title>${escapeHtml(model)}</title></text>`;
    return `${label}<rect class="bar" x="${NAME_WIDTH}" y="${y + 3}" width="${width.toFixed(1)}" height="16" rx="2" opacity="${opacity.toFixed(2)}"/><text x="${(NAME_WIDTH + width + 6).toFixed(1)}" y="${y + 15}">${score.toFixed(3)}</text>`;
  });
  return `<div class="wide"><svg width="${BAR_WIDTH}" height="${shown.length * 22}" role="img" aria-label="scores">\n${bars.join("\n")}\n</svg></div>`;
}

const shorten = (model: string): string => (model.length > 48 ? `${model.slice(0, 47)}…` : model);

function timeBar({ seconds }: SearchReportInput): string {
  const parts = (["data", "load", "inference", "proxy", "plan"] as const).map((name) => ({
    name,
    value: seconds[name],
  }));
  const sum = Math.max(
    parts.reduce((total, { value }) => total + value, 0),
    Number.MIN_VALUE,
  );
  let x = 0;
  const bars = parts.map(({ name, value }) => {
    const width = (BAR_WIDTH * value) / sum;
    const bar = `<rect class="${name}" x="${x.toFixed(1)}" y="0" width="${width.toFixed(1)}" height="22"><title>${name} ${value.toFixed(2)} s</title></rect>`;
    x += width;
    return bar;
  });
  const legend = parts.map(({ name, value }, index) => {
    const at = index * 126;
    return `<rect class="${name}" x="${at}" y="32" width="12" height="12"/><text x="${at + 17}" y="42">${name} ${value.toFixed(1)} s</text>`;
  });
  return `<div class="wide"><svg width="${BAR_WIDTH}" height="50" role="img" aria-label="time">${bars.join("")}${legend.join("")}</svg></div>`;
}
