import { createHash } from "node:crypto";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { writeDurably } from "../../indexer/store/durable-file.ts";
import type { Precision } from "../../crawler/export/precision.ts";
import type { Device } from "../device/device.ts";
import type { Segment } from "../plan/step.ts";
import type { Measured } from "./measured.ts";

const TUNING = z.object({ batchSize: z.int().positive(), threads: z.int().positive() });
const RATE = TUNING.extend({ itemsPerSecond: z.number().positive() });
const SPEED = z.number().positive().nullable();
const REMEMBERED = z.object({
  measuredAt: z.string(),
  rates: z.array(RATE),
  faster: TUNING.nullable(),
  speeds: z.object({ weights: SPEED, disk: SPEED, link: SPEED }),
  loading: z.object({ seconds: z.number().positive(), hidden: z.number().min(0).max(1) }).nullable(),
});

/** What was measured once, on a machine's device, for models of one structure. */
export interface RememberedTuning extends Measured {
  readonly measuredAt: string;
}

/** What a measurement is good for. */
export interface TuningKey {
  readonly device: Device;
  /** What the device is, so that another card is measured anew. */
  readonly adapter: string;
  readonly threads: number;
  readonly precision: Precision;
  readonly segment: Segment;
}

/** `<home>/cache/tuning/<key>.json` */
const pathOf = (home: string, { device, adapter, threads, precision, segment }: TuningKey): string => {
  const structure = [segment.input.dims, segment.blocks.map(({ graphHash }) => graphHash)];
  const key = createHash("sha256")
    .update(JSON.stringify([device, adapter, threads, precision, structure]))
    .digest("hex");
  return join(home, "cache", "tuning", `${key}.json`);
};

/** @returns null when nothing was measured, or what is there cannot be read: then it is measured again */
export async function loadTuning(home: string, key: TuningKey): Promise<RememberedTuning | null> {
  const text = await readFile(pathOf(home, key), "utf8").catch(() => null);
  if (text === null) return null;
  try {
    return REMEMBERED.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

export async function saveTuning(home: string, key: TuningKey, tuning: RememberedTuning): Promise<void> {
  await mkdir(join(home, "cache", "tuning"), { recursive: true });
  await writeDurably(pathOf(home, key), JSON.stringify(tuning));
}
