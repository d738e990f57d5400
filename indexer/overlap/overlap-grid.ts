import type { ChainBlock } from "../catalog/records.ts";
import { escapeHtml } from "../html/escape-html.ts";

/** A row of the grid: a model and its chain. */
export interface GridRow {
  readonly model: string;
  readonly chain: readonly ChainBlock[];
}

const CELL_WIDTH = 20;
const CELL_HEIGHT = 14;
const GAP = 2;
const LABEL_WIDTH = 330;
/** What fits into the label's width at its font size; the tooltip has the whole name. */
const LABEL_LENGTH = 46;

/** Models × blocks as SVG: the blocks that the base has are coloured, paler where they moved; the others are grey. */
export function overlapGrid(base: GridRow, rows: readonly GridRow[]): string {
  const all = [base, ...rows];
  const columns = Math.max(1, ...all.map(({ chain }) => chain.length));
  const width = LABEL_WIDTH + columns * (CELL_WIDTH + GAP);
  const height = all.length * (CELL_HEIGHT + GAP);
  const held = new Set(base.chain.map(({ blockId }) => blockId));
  const lines = all.map((row, index) => gridRow(row, index * (CELL_HEIGHT + GAP), base.chain, held));
  return [
    `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Blocks by model">`,
    ...lines,
    "</svg>",
  ].join("\n");
}

function gridRow(row: GridRow, y: number, base: readonly ChainBlock[], held: ReadonlySet<string>): string {
  const cells = row.chain.map((block, index) => {
    const same = base[index]?.blockId === block.blockId;
    const [kind, words] = same
      ? ["same", "the base's block"]
      : held.has(block.blockId)
        ? ["moved", "a block of the base, elsewhere in its chain"]
        : ["changed", "changed"];
    const x = LABEL_WIDTH + index * (CELL_WIDTH + GAP);
    const title = escapeHtml(`${row.model}\n${index}: ${block.name}, ${words}`);
    return `<rect class="${kind}" x="${x}" y="${y}" width="${CELL_WIDTH}" height="${CELL_HEIGHT}"><title>${title}</title></rect>`;
  });
  const label = row.model.length > LABEL_LENGTH ? `${row.model.slice(0, LABEL_LENGTH - 1)}…` : row.model;
  const x = LABEL_WIDTH - 8;
  const text = `<text x="${x}" y="${y + 11}" text-anchor="end">${escapeHtml(label)}<title>${escapeHtml(row.model)}</title></text>`;
  return text + cells.join("");
}
