import { InferenceSession, Tensor } from "onnxruntime-node";
import type { ProxyModels } from "./encode-proxy-graphs.ts";
import type { ProxyGraph } from "./proxy-graphs.ts";

/** A dense row-major float32 matrix. */
export interface Matrix {
  readonly data: Float32Array;
  readonly rows: number;
  readonly cols: number;
}

/** Matrices of one shape, one after the other. */
export interface Stack extends Matrix {
  readonly count: number;
}

/** Inputs or outputs of a graph, by name. */
type Values = Readonly<Record<string, Matrix | Stack>>;

/** What came out of a graph, by name. */
export interface Outputs {
  floats(name: string): Float32Array;
  doubles(name: string): Float64Array;
}

export interface MatrixEngineOptions {
  /** Threads of one matrix product. Minimum 1, default: onnxruntime's own choice, one per physical core. */
  readonly threads?: number;
  /** Default: written when they are needed, which loads what writes them. */
  readonly models?: ProxyModels | undefined;
}

/**
 * The heavy products of the proxies, run by onnxruntime on the CPU: several times faster than loops in JavaScript, and
 * no further dependency. Every graph has dynamic shapes, so a session is created once and serves every call; creating and
 * releasing sessions leaks a little. The engine knows nothing of the thread it is in: make one per worker thread and
 * `dispose` it. The same input gives the same bits as long as `threads` and the machine stay the same.
 */
export class MatrixEngine {
  readonly #options: InferenceSession.SessionOptions;
  readonly #models: ProxyModels | undefined;
  readonly #sessions = new Map<ProxyGraph, Promise<InferenceSession>>();

  constructor({ threads, models }: MatrixEngineOptions = {}) {
    this.#models = models;
    this.#options = {
      executionProviders: ["cpu"],
      interOpNumThreads: 1,
      enableCpuMemArena: false, // same speed, and no memory that stays after a large product
      graphOptimizationLevel: "disabled", // they are written as they are to be run, and opened twice as fast
      ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
      extra: { session: { intra_op: { allow_spinning: "0" } } }, // idle threads leave the cores to inference
    };
  }

  /** Runs one of the graphs of `proxy-graphs.ts`. Inputs are not copied; outputs are new arrays. */
  async run(graph: ProxyGraph, inputs: Values): Promise<Outputs> {
    const session = await this.#session(graph);
    const outputs = await session.run(tensorsOf(inputs));
    const find = <T>(name: string, Kind: new () => T): T => {
      const data = outputs[name]?.data;
      if (data instanceof Kind) return data;
      throw new Error(`graph "${graph}" has no output "${name}" in a ${Kind.name}`);
    };
    return { floats: (name) => find(name, Float32Array), doubles: (name) => find(name, Float64Array) };
  }

  /** a [m, k] times b [k, n]; with `transposeB` b is [n, k]. */
  async multiply(a: Matrix, b: Matrix, { transposeB = false } = {}): Promise<Matrix> {
    const inner = transposeB ? b.cols : b.rows;
    if (a.cols !== inner) throw new Error(`cannot multiply [${a.rows}, ${a.cols}] by an inner size of ${inner}`);
    const { floats } = await this.run(transposeB ? "multiplyTransposed" : "multiply", { a, b });
    return { data: floats("c"), rows: a.rows, cols: transposeB ? b.rows : b.cols };
  }

  /** As `multiply`, by each matrix of a stack: a [count, m, k] times b [count, k, n]; with `transposeB` b is [count, n, k]. */
  async multiplyStacks(a: Stack, b: Stack, { transposeB = false } = {}): Promise<Stack> {
    const inner = transposeB ? b.cols : b.rows;
    if (a.count !== b.count || a.cols !== inner) {
      throw new Error(`cannot multiply ${a.count} [${a.rows}, ${a.cols}] by ${b.count} with an inner size of ${inner}`);
    }
    const { floats } = await this.run(transposeB ? "multiplyStacksTransposed" : "multiplyStacks", { a, b });
    return { data: floats("c"), count: a.count, rows: a.rows, cols: transposeB ? b.rows : b.cols };
  }

  /** x xᵀ [n, n] of x [n, d], accumulated in float64: for what is inverted or decomposed afterwards. */
  async gram(x: Matrix): Promise<Float64Array> {
    const { floats } = await this.run("gram", { x });
    const low = floats("low");
    const gram = Float64Array.from(floats("high"));
    for (let i = 0; i < gram.length; i++) gram[i] = (gram[i] ?? 0) + (low[i] ?? 0);
    return gram;
  }

  /** Releases every session. The engine can be used again afterwards; it then makes new ones. */
  async dispose(): Promise<void> {
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    for (const session of sessions) await (await session).release();
  }

  #session(graph: ProxyGraph): Promise<InferenceSession> {
    const cached = this.#sessions.get(graph);
    if (cached) return cached;
    const created = this.#open(graph);
    this.#sessions.set(graph, created);
    return created;
  }

  async #open(graph: ProxyGraph): Promise<InferenceSession> {
    const model = this.#models?.[graph] ?? (await import("./encode-proxy-graphs.ts")).encodeProxyGraph(graph);
    return InferenceSession.create(model, this.#options);
  }
}

function tensorsOf(values: Values): Record<string, Tensor> {
  const tensors: Record<string, Tensor> = {};
  for (const [name, value] of Object.entries(values)) {
    const { data, rows, cols } = value;
    tensors[name] = new Tensor("float32", data, "count" in value ? [value.count, rows, cols] : [rows, cols]);
  }
  return tensors;
}

let shared: MatrixEngine | undefined;

/** The engine of this thread for callers that bring none. */
export function sharedMatrixEngine(): MatrixEngine {
  return (shared ??= new MatrixEngine());
}

/** Releases the sessions of this thread's shared engine, if there are any. */
export async function disposeSharedMatrixEngine(): Promise<void> {
  const engine = shared;
  shared = undefined;
  await engine?.dispose();
}
