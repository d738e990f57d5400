import ort from "onnxruntime-node";
import { encodeOnnxModel } from "../../crawler/export/onnx-model.ts";
import { PRECISIONS, type Precision } from "../../crawler/export/precision.ts";
import { DEVICES, sessionOn, type Device } from "./device.ts";
import { rateGraph, tinyGraph, type ProbeGraph } from "./probe-graph.ts";
import type { ProbeMessage } from "./probe-message.ts";

// A process of its own: a driver may hang, end its process, or write what it likes to the terminal.
// Arguments: the device, what it shall compute in, and "measure" to time it too. Its parent ends it.

/** Largest difference from the CPU's values, as a part of the largest of these: tf32 and fp16 sums stay below it. */
const TOLERANCE = 0.02;
/** Runs are timed until they took this long together; one at least. */
const MEASURE_MS = 300;
const MOST_RUNS = 20;

const send = (message: ProbeMessage): void => void process.send?.(message);

const open = (graph: ProbeGraph, device: Device): Promise<ort.InferenceSession> =>
  ort.InferenceSession.create(encodeOnnxModel(graph.model), {
    ...sessionOn(device),
    ...(device !== "cpu" && { extra: { session: { disable_cpu_ep_fallback: "1" } } }),
  });

async function run(session: ort.InferenceSession, { dims, input }: ProbeGraph): Promise<Float32Array> {
  const { y } = await session.run({ x: new ort.Tensor("float32", input, dims) });
  if (!(y?.data instanceof Float32Array)) throw new Error("no floats came out");
  return y.data;
}

/** Runs a graph on the device for the first time. @throws Error where values differ from the CPU's */
async function check(session: ort.InferenceSession, graph: ProbeGraph, device: Device): Promise<void> {
  const actual = await run(session, graph);
  const expected = device === "cpu" ? actual : await run(await open(graph, "cpu"), graph);
  const most = TOLERANCE * expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  const differs = actual.some((value, index) => !(Math.abs(value - (expected[index] ?? NaN)) <= most));
  if (differs || actual.length !== expected.length) throw new Error("wrong values: they are not those of the CPU");
}

/** Milliseconds of the fastest run. */
async function time(session: ort.InferenceSession, graph: ProbeGraph): Promise<number> {
  const begin = performance.now();
  let best = Infinity;
  for (let runs = 0; runs < MOST_RUNS && performance.now() - begin < MEASURE_MS; runs++) {
    const start = performance.now();
    await run(session, graph);
    best = Math.min(best, performance.now() - start);
  }
  return best;
}

async function probe(device: Device, precision: Precision, isMeasured: boolean): Promise<void> {
  const tiny = tinyGraph(precision);
  const session = await open(tiny, device);
  send({ kind: "opened", runtime: ort.env.versions.node ?? "" });
  await check(session, tiny, device);
  send({ kind: "works" });
  if (!isMeasured) return;
  const larger = rateGraph(precision);
  const measured = await open(larger, device);
  await check(measured, larger, device);
  send({ kind: "rate", itemsPerSecond: (1000 * (larger.dims[0] ?? 1)) / (await time(measured, larger)) });
}

// the terminal sends Ctrl-C to the whole group; the process that started this one decides what comes of it
process.on("SIGINT", () => undefined);
process.on("disconnect", () => process.exit(1));
const device = DEVICES.find((name) => name === process.argv[2]);
if (!device) throw new Error("which device?");
const precision = PRECISIONS.find((name) => name === process.argv[3]);
if (!precision) throw new Error("which precision?");
probe(device, precision, process.argv[4] === "measure").catch((cause: unknown) => {
  send({ kind: "failed", error: cause instanceof Error ? cause.message : String(cause) });
});
