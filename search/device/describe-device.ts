import { cpus, freemem, totalmem } from "node:os";
import type { Device } from "./device.ts";
import type { DeviceProbe } from "./device-probe.ts";
import { listAmdMemory } from "./list-amd-memory.ts";
import { listNvidiaGpus } from "./list-nvidia-gpus.ts";
import type { NvidiaGpu } from "./parse-nvidia-smi.ts";

export type DeviceDescription = Pick<DeviceProbe, "name" | "driver" | "memory">;

/** What is asked about a machine's devices; tests bring their own. */
export interface DeviceSources {
  readonly listNvidiaGpus: (options: { readonly signal?: AbortSignal | undefined }) => Promise<readonly NvidiaGpu[]>;
  readonly listAmdMemory: typeof listAmdMemory;
  /** `CUDA_VISIBLE_DEVICES` is read from it. */
  readonly env: NodeJS.ProcessEnv;
}

const MACHINE: DeviceSources = { listNvidiaGpus, listAmdMemory, env: process.env };

/**
 * What a device is called, and its memory.
 * @param adapter its name as the graphics driver has it; null where that is not known
 * @throws the signal's reason when it is aborted
 */
export async function describeDevice(
  device: Device,
  adapter: string | null,
  { signal, sources = MACHINE }: { readonly signal?: AbortSignal | undefined; readonly sources?: DeviceSources } = {},
): Promise<DeviceDescription> {
  switch (device) {
    case "cpu": {
      const cores = cpus();
      const memory = { totalBytes: totalmem(), freeBytes: freemem() };
      return { name: `${cores[0]?.model.trim() || "processor"}, ${cores.length} cores`, driver: null, memory };
    }
    case "cuda": {
      const gpu = leastFree(visibleGpus(await sources.listNvidiaGpus({ signal }), sources.env.CUDA_VISIBLE_DEVICES));
      return { name: gpu?.name ?? null, driver: gpu?.driver ?? null, memory: gpu?.memory ?? null };
    }
    case "webgpu": {
      if (adapter !== null && /nvidia/i.test(adapter)) {
        const gpu = leastFree((await sources.listNvidiaGpus({ signal })).filter(({ name }) => name === adapter));
        return { name: adapter, driver: gpu?.driver ?? null, memory: gpu?.memory ?? null };
      }
      const isAmd = adapter !== null && /\bamd\b|radeon/i.test(adapter);
      // of several cards, WebGPU is asked for the one of most performance
      return { name: adapter, driver: null, memory: (isAmd && (await sources.listAmdMemory())[0]) || null };
    }
    case "dml":
    case "coreml":
      return { name: null, driver: null, memory: null };
  }
}

/** The cards that `CUDA_VISIBLE_DEVICES` leaves, where it names them by number. */
function visibleGpus(gpus: readonly NvidiaGpu[], visible: string | undefined): readonly NvidiaGpu[] {
  if (visible === undefined || !/^\s*\d+(\s*,\s*\d+)*\s*$/.test(visible)) return gpus;
  return visible.split(",").flatMap((index) => gpus[Number(index)] ?? []);
}

/** CUDA counts cards in an order of its own, so it could be any of several: what fits into this one fits into all. */
const leastFree = (gpus: readonly NvidiaGpu[]): NvidiaGpu | undefined =>
  [...gpus].sort((a, b) => (a.memory?.freeBytes ?? 0) - (b.memory?.freeBytes ?? 0))[0];
