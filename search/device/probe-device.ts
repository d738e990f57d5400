import { fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Precision } from "../../crawler/export/precision.ts";
import { describeDevice } from "./describe-device.ts";
import type { Device } from "./device.ts";
import { failedProbe, type DeviceProbe } from "./device-probe.ts";
import { explainFailure } from "./explain-failure.ts";
import type { Failure } from "./failure.ts";
import { findObstacle } from "./find-obstacle.ts";
import { inferenceEnvironment } from "./inference-environment.ts";
import { parseProbeMessage } from "./probe-message.ts";

export interface ProbeOptions {
  readonly signal?: AbortSignal | undefined;
  /** How long it may take to open a graph: libraries of some devices take seconds to load. Default 30 s. */
  readonly timeoutMs?: number;
  /** How long the first run may take from then on, shaders compiled. Default 20 s. */
  readonly firstRunMs?: number;
  /** How long measuring may take then: a card that the processor plays is not measured to the end. Default 2 s. */
  readonly measureMs?: number;
  /** What it shall compute in: not every device has float16. Default fp32. */
  readonly precision?: Precision;
  /** Whether its speed is wanted too. Default true. */
  readonly measure?: boolean;
  /** What is certain without starting anything. Default: `findObstacle`. */
  readonly obstacle?: (device: Device) => Failure | null;
  /** The process that tries the device. Default: `probe-process`. */
  readonly entry?: URL;
}

/** After it was killed: a driver that hangs may keep a process from ending. */
const END_MS = 2000;

/**
 * Finds out whether a device works by running a small graph on it, in a process of its own that may hang or crash.
 * What that process reports counts, whatever becomes of it afterwards; it never outlives the call.
 * @throws the signal's reason when it is aborted
 */
export async function probeDevice(
  device: Device,
  { obstacle = findObstacle, signal, ...options }: ProbeOptions = {},
): Promise<DeviceProbe> {
  signal?.throwIfAborted();
  const found = obstacle(device);
  if (found) return failedProbe(device, found.reason, found.advice);
  const heard = await hear(device, { signal, ...options });
  const described = await describeDevice(device, adapterOf(heard.chatter), { signal });
  if (!heard.works) {
    const { reason, advice } = explainEnd(heard);
    return { ...failedProbe(device, reason, advice), ...described, runtime: heard.runtime };
  }
  const { runtime, itemsPerSecond } = heard;
  return { device, works: true, reason: null, advice: null, ...described, runtime, itemsPerSecond };
}

/** What a process reported, and how it ended. */
interface Heard {
  works: boolean;
  runtime: string | null;
  itemsPerSecond: number | null;
  /** The error it reported. */
  error: string | null;
  /** What stood in the way, where it reported none. */
  end: string;
  /** What its libraries wrote. */
  chatter: string;
}

const MOST_CHATTER = 64_000;

function hear(
  device: Device,
  {
    signal,
    timeoutMs = 30_000,
    firstRunMs = 20_000,
    measureMs = 2000,
    measure = true,
    precision = "fp32",
    entry = new URL("./probe-process.js", import.meta.url),
  }: Omit<ProbeOptions, "obstacle">,
): Promise<Heard> {
  const child = fork(fileURLToPath(entry), [device, precision, ...(measure ? ["measure"] : [])], {
    execArgv: [],
    stdio: ["ignore", "ignore", "pipe", "ipc"],
    // the Vulkan loader then says which card it uses, which onnxruntime does not
    env: { ...inferenceEnvironment(device), ...(device === "webgpu" && { VK_LOADER_DEBUG: "driver" }) },
  });
  const heard: Heard = { works: false, runtime: null, itemsPerSecond: null, error: null, end: "", chatter: "" };
  let timer: NodeJS.Timeout | undefined;
  let giveUp = (): void => undefined;
  /** Killed, not asked to end: ending is where WebGPU and CUDA crash. */
  const stop = (why: string): void => {
    heard.end ||= why;
    child.kill("SIGKILL");
    clearTimeout(timer);
    timer = setTimeout(() => giveUp(), END_MS);
  };
  const allow = (ms: number, what: string): void => {
    clearTimeout(timer);
    timer = setTimeout(() => stop(`${what} took longer than ${ms / 1000} s`), ms);
  };
  const onAbort = (): void => stop("it was stopped");
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    heard.chatter = `${heard.chatter}${text}`.slice(0, MOST_CHATTER);
  });
  child.on("message", (received) => {
    if (heard.end !== "") return;
    const message = parseProbeMessage(received);
    switch (message?.kind) {
      case undefined:
        return stop("the process that tries it said what makes no sense");
      case "opened":
        heard.runtime = message.runtime;
        return allow(firstRunMs, "its first run of a small graph");
      case "works":
        heard.works = true;
        return measure ? allow(measureMs, "measuring it") : stop("done");
      case "rate":
        heard.itemsPerSecond = message.itemsPerSecond;
        return stop("done");
      case "failed":
        heard.works = false;
        heard.error = message.error;
        return stop("failed");
    }
  });
  signal?.addEventListener("abort", onAbort, { once: true });
  allow(timeoutMs, "opening a small graph on it");
  return new Promise<void>((resolve, reject) => {
    giveUp = resolve;
    child.once("error", reject); // it cannot be started
    child.once("close", (code, by) => {
      heard.end ||= `the process that tries it ended ${by ? `by ${by}` : `with code ${code}`}`;
      resolve();
    });
  })
    .then(() => {
      signal?.throwIfAborted();
      return heard;
    })
    .finally(() => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
      child.kill("SIGKILL");
      child.stderr?.destroy();
      if (child.connected) child.disconnect();
      child.unref();
    });
}

/** `Using "SwiftShader Device (Subzero)" with driver: …`, as the Vulkan loader writes */
const adapterOf = (chatter: string): string | null => /Using "([^"\n]{1,200})" with driver/.exec(chatter)?.[1] ?? null;

function explainEnd({ error, end, chatter }: Heard): Failure {
  if (error !== null) return explainFailure(error, chatter);
  const last = chatter
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("[Vulkan Loader]"))
    .at(-1);
  const { reason, advice } = explainFailure(last ?? "", chatter);
  return { reason: last === undefined ? end : `${end}: ${reason}`, advice };
}
