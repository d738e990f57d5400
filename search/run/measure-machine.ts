import type { Measured, MeasureRequest } from "../tune/measured.ts";
import { measureLoading } from "./measure-loading.ts";
import { measureRates } from "./measure-rates.ts";
import { measureDisk, measureLink } from "./measure-speeds.ts";
import type { SessionOptions } from "./segment-sessions.ts";

export interface MeasureMachineOptions extends Omit<SessionOptions, "pool" | "fillThreads"> {
  readonly spillFolder: string;
}

/** Measures what a search asks, one thing after the other. */
export async function measureMachine(
  { segment, candidates, loaded, itemsBeside, mostSeconds }: MeasureRequest,
  { spillFolder, ...options }: MeasureMachineOptions,
): Promise<Measured> {
  const running = { ...segment, weights: "constants" as const, stays: false };
  const rates = await measureRates(running, candidates, { ...options, mostSeconds });
  const loading = loaded && (await measureLoading(running, loaded, { ...options, mostItems: itemsBeside }));
  return {
    rates,
    loading,
    speeds: {
      weights: loaded && loading && loaded.weightBytes / loading.seconds,
      disk: await measureDisk(spillFolder),
      link: await measureLink(options.device),
    },
  };
}
