import { formatBytes } from "../../crawler/format-bytes.ts";
import type { Fallback } from "../../search/fall-back.ts";
import { howTuned } from "../../search/report/explain.ts";
import type { SearchEvent, SearchResult } from "../../search/search-result.ts";
import type { Output } from "./output.ts";
import { startProgress } from "./progress.ts";
import { formatTable } from "./table.ts";

/** Bars for what a search does: preparing items, then each round's steps. */
export function searchProgress(output: Output) {
  let bar = startProgress(output, "prepare");
  let isPreparing = false;
  return {
    onEvent: (event: SearchEvent) => {
      if (event.kind === "prepare") {
        isPreparing = event.done < event.total; // the first steps wait for that
        bar.update(event.done, event.total, "items");
      }
      if (event.kind === "round") {
        bar.stop();
        bar = startProgress(output, `round ${event.round}/${event.rounds}`);
        bar.update(0, 1, `${event.models} models`);
      }
      if (event.kind === "tuned" && event.tuned.how !== "default") {
        const { batchSize, threads, loadAhead } = event.tuned;
        const ahead = loadAhead > 0 ? `, ${loadAhead} segments loaded ahead` : "";
        output.log(`batches of ${batchSize}, ${threads} threads${ahead} (${howTuned(event.tuned)})`);
      }
      if (event.kind === "fallback") output.log(describeFallback(event.fallback));
      if (event.kind === "step" && !isPreparing) bar.update(event.done, event.total, "steps");
    },
    stop: () => bar.stop(),
  };
}

/** A step that was repeated, in words. */
export const describeFallback = ({ round, device, blocks, reason, then }: Fallback): string =>
  `round ${round}: ${blocks.length > 0 ? `${nameBlocks(blocks)} on ${device}` : device} failed: ${reason}; ${then}`;

const nameBlocks = (blocks: readonly string[]): string =>
  blocks.length > 2 ? `${blocks[0]} … ${blocks.at(-1)}` : blocks.join(", ");

/** The ranking as a table, and what it cost. */
export function printRanking(
  {
    ranking,
    failed,
    cost,
    seconds,
    rounds,
    fallbacks,
    run,
  }: Pick<SearchResult, "ranking" | "failed" | "cost" | "seconds" | "rounds" | "fallbacks"> & { readonly run: string },
  output: Output,
): void {
  const table = formatTable(
    [
      { title: "rank", isNumber: true },
      { title: "model" },
      { title: "score", isNumber: true },
      { title: "round", isNumber: true },
      { title: "items", isNumber: true },
    ],
    ranking.map(({ rank, model, score, round, items, tied }) => [
      String(rank),
      model,
      `${score.toFixed(4)}${tied ? "=" : " "}`,
      String(round),
      String(items),
    ]),
  );
  output.print(ranking.length === 0 ? "no model was scored yet" : table);
  if (ranking.some(({ tied }) => tied)) output.print("= the same score as another model of its round");
  for (const { model, reason } of failed) output.print(`failed: ${model}: ${reason}`);
  for (const fallback of fallbacks) output.print(describeFallback(fallback));
  const share = cost.baseBlockItems > 0 ? (100 * cost.blockItems) / cost.baseBlockItems : 0;
  output.print(
    `\n${rounds.length} ${rounds.length === 1 ? "round" : "rounds"} in ${seconds.total.toFixed(1)} s (data ${seconds.data.toFixed(1)}, load ${seconds.load.toFixed(1)}, inference ${seconds.inference.toFixed(1)}, proxy ${seconds.proxy.toFixed(1)})`,
  );
  output.print(
    `${cost.blockItems} items through blocks, ${share.toFixed(1)} % of what scoring every model on everything takes; peak ${formatBytes(cost.peakBytes)} of ${formatBytes(cost.budget)}${cost.deviceBudget > 0 ? `, on the device ${formatBytes(cost.devicePeakBytes)} of ${formatBytes(cost.deviceBudget)}` : ""}; run ${run}`,
  );
}
