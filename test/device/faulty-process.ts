import { appendFileSync, readFileSync } from "node:fs";
import ort from "onnxruntime-node";

/** What goes wrong in the process of inference; told by the environment variable `FAULTS`, as JSON. */
export interface Faults {
  /** Every process that starts adds a byte to this file, and so knows how many were before it. */
  readonly countFile: string;
  /** Whether the device is the CPU by another name: there need be none. */
  readonly isFake: boolean;
  readonly faults: readonly Fault[];
}

export interface Fault {
  readonly what: "abort" | "exit" | "hang" | "error" | "unsupported" | "abort at exit";
  readonly on: "create" | "run";
  /** In processes up to (without) this one; default: in all. */
  readonly before?: number;
  /** On the device's call of this number; default: on every one. */
  readonly call?: number;
  /** Only for graphs whose result has so many channels. */
  readonly channels?: number;
  /** Only for batches of more rows. */
  readonly moreThan?: number;
}

const { countFile, isFake, faults } = JSON.parse(process.env["FAULTS"] ?? "null") as Faults;
appendFileSync(countFile, "x");
const turn = readFileSync(countFile).length - 1;
const calls = { create: 0, run: 0 };

function fail(on: Fault["on"], channels: unknown, rows: number): void {
  const call = calls[on]++;
  for (const fault of faults) {
    if (fault.on !== on || turn >= (fault.before ?? Infinity)) continue;
    if (fault.call !== undefined && fault.call !== call) continue;
    if (fault.channels !== undefined && fault.channels !== channels) continue;
    if (fault.moreThan !== undefined && rows <= fault.moreThan) continue;
    switch (fault.what) {
      case "abort":
        process.stderr.write("the driver said goodbye\n");
        return process.abort();
      case "exit":
        return process.exit(3);
      case "hang":
        return void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      case "error":
        throw new Error("Out of memory\non the device");
      case "unsupported":
        throw new Error(
          "This session contains graph nodes that are assigned to the default CPU EP, but fallback to CPU EP has been explicitly disabled by the user.",
        );
      case "abort at exit":
        return void process.on("exit", () => process.abort());
    }
  }
}

const create = ort.InferenceSession.create.bind(ort.InferenceSession) as (
  model: Uint8Array,
  options: ort.InferenceSession.SessionOptions,
) => Promise<ort.InferenceSession>;
const creates = ort.InferenceSession as unknown as { create: typeof create };
creates.create = async (model, options) => {
  if (options.executionProviders?.[0] !== "webgpu") return create(model, options);
  const session = await create(model, isFake ? onCpu(options) : options);
  const [output] = session.outputMetadata;
  const channels = output?.isTensor ? output.shape[1] : undefined;
  fail("create", channels, 0);
  const run = session.run.bind(session) as (feeds: object, fetches?: object) => ReturnType<typeof session.run>;
  session.run = ((feeds: Record<string, ort.Tensor>, fetches?: object) => {
    fail("run", channels, feeds["x"]?.dims[0] ?? 0);
    return fetches ? run(feeds, fetches) : run(feeds);
  }) as typeof session.run;
  return session;
};

/** The CPU knows nothing of what only devices have, but must find a graph's weights. */
function onCpu({ extra }: ort.InferenceSession.SessionOptions): ort.InferenceSession.SessionOptions {
  const key = "model_external_initializers_file_folder_path";
  const session = (extra?.["session"] ?? {}) as Record<string, unknown>;
  return { executionProviders: ["cpu"], extra: { session: key in session ? { [key]: session[key] } : {} } };
}

await import("../../search/run/search-process.js");
