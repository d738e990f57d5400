import cliProgress from "cli-progress";
import type { Output } from "./output.ts";

/** A bar on stderr while something long goes on; nothing where there is no terminal. */
export interface Progress {
  update(done: number, total: number, note?: string): void;
  stop(): void;
}

const SILENT: Progress = { update: () => undefined, stop: () => undefined };

export function startProgress(output: Output, title: string): Progress {
  if (!output.showProgress) return SILENT;
  const bar = new cliProgress.SingleBar(
    {
      format: `${title.padEnd(10)} {bar} {percentage}%  {value}/{total}  {note}`,
      stream: process.stderr,
      hideCursor: true,
      clearOnComplete: true,
      stopOnComplete: false,
      barsize: 30,
      // a line that is cut is better than one that wraps and is drawn again and again
      linewrap: false,
    },
    cliProgress.Presets.shades_classic,
  );
  bar.start(1, 0, { note: "" });
  return {
    update(done, total, note = "") {
      bar.setTotal(Math.max(1, total));
      bar.update(done, { note });
    },
    stop: () => bar.stop(),
  };
}
