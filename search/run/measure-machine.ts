import { fastestOf, isFaster } from "../tune/tuning.ts";
import type { Measured, MeasureRequest } from "../tune/measured.ts";
import { measureGain } from "./measure-gain.ts";
import { measureLoading } from "./measure-loading.ts";
import { measureRates } from "./measure-rates.ts";
import { measureDisk, measureLink } from "./measure-speeds.ts";
import type { MeasuredSegmentOptions } from "./measured-segment.ts";

export interface MeasureMachineOptions extends MeasuredSegmentOptions {
  readonly spillFolder: string;
}

/** Measures what a search asks, one thing after the other. */
export async function measureMachine(
  { segment, candidates, batchSize, loaded, itemsBeside, mostSeconds }: MeasureRequest,
  { spillFolder, ...options }: MeasureMachineOptions,
): Promise<Measured> {
  const rates = await measureRates(segment, candidates, { ...options, mostSeconds });
  const [usual] = rates;
  const other = fastestOf(rates);
  const gains = usual && other ? await measureGain(segment, { usual, other }, { ...options, mostSeconds }) : [];
  const loading =
    loaded && (await measureLoading(segment, loaded, { ...options, batchSize, mostItems: itemsBeside, mostSeconds }));
  return {
    rates,
    faster: other && isFaster(gains) ? { batchSize: other.batchSize, threads: other.threads } : null,
    loading,
    speeds: {
      weights: loaded && loading && loaded.weightBytes / loading.seconds,
      disk: await measureDisk(spillFolder),
      link: await measureLink(options.device),
    },
  };
}
