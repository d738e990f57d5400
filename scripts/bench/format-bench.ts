import { formatBytes } from "../../crawler/format-bytes.ts";
import { escapeHtml } from "../../indexer/html/escape-html.ts";
import { htmlPage, htmlTable } from "../../indexer/html/page.ts";
import type { Strategy } from "../../search/strategy.ts";
import { formatTable } from "../terminal/table.ts";
import { PARTS, type CaseFigures, type StrategyFigures } from "./bench-search.ts";

/** Smaller parts of a total are not worth a line. */
const NOTABLE_SHARE = 0.03;

const TITLES = [
  "strategy",
  "total s",
  ...PARTS.map((part) => `${part} s`),
  "bound s",
  "efficiency",
  "over base",
  "block items",
  "peak",
  "process peak",
];

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

export const caseTitle = ({ architecture, sharing, models }: CaseFigures): string =>
  `${architecture}, ${sharing}, ${models} snapshots`;

export function caseNote(figures: CaseFigures): string {
  const {
    train,
    test,
    imageSize,
    batchSize,
    threads,
    runs,
    chainLength,
    distinctBlocks,
    modelBytes,
    seed,
    device,
    precision,
  } = figures;
  const items = figures.architecture === "bert-small" ? "texts" : `pictures of ${imageSize} px`;
  return `${train} training and ${test} test ${items}, ${device}${precision === "fp32" ? "" : ` in ${precision}`}, batches of ${batchSize}, ${threads} threads, proxy ${figures.proxy}, seed ${seed}, median of ${runs}; ${chainLength} blocks and ${formatBytes(modelBytes)} a snapshot, ${distinctBlocks} distinct blocks in all`;
}

/** How many times as long as `of` another strategy takes. */
export function speedUp({ strategies }: CaseFigures, over: Strategy, of: Strategy): number | undefined {
  const slow = strategies.find(({ strategy }) => strategy === over);
  const fast = strategies.find(({ strategy }) => strategy === of);
  return slow && fast && slow.total / fast.total;
}

function rowOf(figures: CaseFigures, { strategy, total, parts, ...rest }: StrategyFigures): string[] {
  const faster = speedUp(figures, "base", strategy);
  return [
    strategy,
    total.toFixed(2),
    ...PARTS.map((part) => parts[part].toFixed(2)),
    rest.bound.toFixed(2),
    percent(rest.efficiency),
    faster === undefined ? "" : `${faster.toFixed(2)}x`,
    String(rest.blockItems),
    formatBytes(rest.peakBytes),
    formatBytes(rest.peakRssBytes),
  ];
}

/** What makes the shared search longer than its bound, largest first. */
export function overheads({ strategies }: CaseFigures): string[] {
  const figures = strategies.find(({ strategy }) => strategy === "alsatian");
  if (!figures) return [];
  const { parts, total, bound } = figures;
  return [
    ...PARTS.filter((part) => part !== "inference").map((part) => [part, parts[part]] as const),
    ["inference beyond the bound", parts.inference - bound] as const,
  ]
    .filter(([, seconds]) => Math.abs(seconds) > NOTABLE_SHARE * total)
    .sort(([, a], [, b]) => b - a)
    .map(([name, seconds]) => `${name} ${seconds.toFixed(2)} s (${percent(seconds / total)})`);
}

function conclusion(figures: CaseFigures): string[] {
  const over: string[] = (["base", "shift"] as const).flatMap((strategy) => {
    const faster = speedUp(figures, strategy, "alsatian");
    return faster === undefined ? [] : [`${faster.toFixed(2)}x over ${strategy}`];
  });
  const base = figures.strategies.find(({ strategy }) => strategy === "base");
  const own = figures.strategies.find(({ strategy }) => strategy === "alsatian");
  if (base && own) {
    const possible = base.alone / own.bound;
    const share = base.total / own.total / possible;
    over.push(
      `the work of base is ${possible.toFixed(2)} times the unique work, so ${percent(share)} of what is possible`,
    );
  }
  const spread = figures.strategies.map(
    ({ strategy, totals }) => `${strategy} ${Math.min(...totals).toFixed(2)} to ${Math.max(...totals).toFixed(2)} s`,
  );
  const beyond = overheads(figures);
  return [
    ...(over.length > 0 ? [`alsatian: ${over.join(", ")}`] : []),
    ...(beyond.length > 0 ? [`alsatian beyond its bound, parts above 3 %: ${beyond.join("; ")}`] : []),
    ...(own ? [`a whole model alone: ${own.itemsPerSecond.toFixed(1)} items/s`] : []),
    ...(own && own.devicePeakBytes > 0 ? [`on the device at most ${formatBytes(own.devicePeakBytes)}`] : []),
    `fastest to slowest run: ${spread.join("; ")}`,
  ];
}

export function formatCase(figures: CaseFigures): string {
  const table = formatTable(
    TITLES.map((title, index) => ({ title, isNumber: index > 0 })),
    figures.strategies.map((strategy) => rowOf(figures, strategy)),
  );
  return [caseTitle(figures), caseNote(figures), table, ...conclusion(figures)].join("\n");
}

const STYLE = `svg text { font: 12px system-ui, sans-serif; fill: var(--text) }
.data { fill: #8b9bb4 } .load { fill: #d9a441 } .inference { fill: var(--same) } .proxy { fill: #7a6bb0 }
.plan { fill: #c2566b } .other { fill: var(--changed) } .bound { stroke: var(--text); stroke-width: 2; stroke-dasharray: 3 2 }`;

/** All cases as one self-contained page: a stacked bar a strategy, with its bound as a dashed line, and the figures. */
export const benchPage = (cases: readonly CaseFigures[]): string =>
  htmlPage({
    title: "Model search: where the time goes",
    subtitle:
      "Total time of a search with empty caches, by part. The dashed line is the bound: the unique work of the same rounds at the measured speed of fused graphs.",
    style: STYLE,
    body: cases
      .map(
        (figures) => `<h2>${escapeHtml(caseTitle(figures))}</h2>
<p class="quiet">${escapeHtml(caseNote(figures))}</p>
${stackedBars(figures)}
${htmlTable(
  TITLES,
  figures.strategies.map((strategy) => rowOf(figures, strategy)),
  1,
)}
${conclusion(figures)
  .map((line) => `<p class="quiet">${escapeHtml(line)}</p>`)
  .join("\n")}`,
      )
      .join("\n"),
  });

const WIDTH = 760;
const NAME_WIDTH = 80;
const TOTAL_WIDTH = 80;
const ROW = 34;

function stackedBars({ strategies }: CaseFigures): string {
  const longest = Math.max(...strategies.map(({ total, bound }) => Math.max(total, bound)), Number.MIN_VALUE);
  const scale = (WIDTH - NAME_WIDTH - TOTAL_WIDTH) / longest;
  const rows = strategies.map(({ strategy, total, parts, bound }, index) => {
    const y = index * ROW;
    let x = NAME_WIDTH;
    const bars = PARTS.map((part) => {
      const width = Math.max(0, parts[part]) * scale;
      const bar = `<rect class="${part}" x="${x.toFixed(1)}" y="${y + 4}" width="${width.toFixed(1)}" height="22"><title>${part} ${parts[part].toFixed(2)} s</title></rect>`;
      x += width;
      return bar;
    });
    const at = (NAME_WIDTH + bound * scale).toFixed(1);
    return `<text x="${NAME_WIDTH - 8}" y="${y + 19}" text-anchor="end">${strategy}</text>${bars.join("")}<line class="bound" x1="${at}" x2="${at}" y1="${y}" y2="${y + 30}"><title>bound ${bound.toFixed(2)} s</title></line><text x="${(Math.max(x, Number(at)) + 6).toFixed(1)}" y="${y + 19}">${total.toFixed(2)} s</text>`;
  });
  const bottom = strategies.length * ROW + 8;
  const legend = PARTS.map(
    (part, index) =>
      `<rect class="${part}" x="${NAME_WIDTH + index * 100}" y="${bottom}" width="12" height="12"/><text x="${NAME_WIDTH + index * 100 + 17}" y="${bottom + 10}">${part}</text>`,
  );
  return `<div class="wide"><svg width="${WIDTH}" height="${bottom + 20}" role="img" aria-label="seconds by part">\n${[...rows, ...legend].join("\n")}\n</svg></div>`;
}
