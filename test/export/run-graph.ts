import ort from "onnxruntime-node";
import { elementCount, type BlockGraph, type TensorInfo, type TensorRef } from "../../crawler/export/graph.ts";
import { Ops, type Value } from "../../crawler/export/ops.ts";
import { writeOnnx, type ChainInput } from "../../crawler/export/write-onnx.ts";

/** `count` smooth numbers between -1 and 1, the same ones that the references were made with. */
export const waves = (count: number, phase = 0.37): Float32Array =>
  Float32Array.from({ length: count }, (_, index) => Math.sin(Math.fround(index * 1.3) + phase));

/** A weight filled with `waves`. */
export const weight = (phase: number, ...shape: number[]): TensorRef => ({ name: String(phase), shape });

export interface GraphInput {
  readonly info: TensorInfo;
  /** With the batch axis. */
  readonly values: Float32Array;
}

/** Builds a graph, writes it as ONNX and runs it; without `weightsOf` a weight's name is the phase of its waves. */
export async function runGraph(
  inputs: readonly GraphInput[],
  build: (g: Ops, values: readonly Value<number>[]) => Value<number>,
  weightsOf: (name: string, count: number) => Float32Array = (name, count) => waves(count, Number(name)),
  transform: (graph: BlockGraph) => BlockGraph = (graph) => graph,
): Promise<{ readonly dims: readonly number[]; readonly info: TensorInfo; readonly values: number[] }> {
  const named = inputs.map(({ info }, index) => [`x${index}`, info] as const);
  const g = new Ops(named);
  const { graph, tensors } = g.finish(
    "test",
    build(
      g,
      named.map(([, info], id) => ({ id, info, rank: info.dims.length + 1 })),
    ),
  );
  const valuesOf = (slot: number): Float32Array => {
    const { name = "0", shape = [], offset = 0 } = tensors[slot] ?? {};
    return weightsOf(name, offset + elementCount(shape)).subarray(offset);
  };
  const bytesOf = (slot: number) => Uint8Array.from(new Uint8Array(Float32Array.from(valuesOf(slot)).buffer));
  const part = {
    name: "g",
    graph: transform(graph),
    data: (slot: number) => ({ kind: "inline" as const, bytes: bytesOf(slot) }),
  };
  const { bytes, output } = writeOnnx([{ ...part, values: valuesOf }], {
    graphName: "test",
    inputs: named.map(([name, info]): ChainInput => ({
      value: { name, type: "float", dims: ["n", ...info.dims] },
      info,
    })),
    outputName: "y",
  });
  const session = await ort.InferenceSession.create(bytes);
  try {
    const feeds = inputs.map(({ info, values }, index) => {
      const batch = values.length / elementCount(info.dims);
      return [`x${index}`, new ort.Tensor("float32", values, [batch, ...info.dims])] as const;
    });
    const { y } = await session.run(Object.fromEntries(feeds));
    if (!(y?.data instanceof Float32Array)) throw new Error("no floats came out");
    return { dims: y.dims, info: output, values: [...y.data] };
  } finally {
    await session.release();
  }
}

/** An input of a graph under test, with the rank that an operator takes. */
export function ranked<R extends number>(x: Value<number> | undefined, rank: R): Value<R> {
  if (!x) throw new Error("no such input");
  return { ...x, rank };
}

/** Largest absolute difference; infinite where the lengths differ. */
export const furthest = (actual: ArrayLike<number>, expected: readonly number[]): number =>
  actual.length === expected.length
    ? expected.reduce((worst, value, index) => Math.max(worst, Math.abs(value - (actual[index] ?? NaN))), 0)
    : Infinity;
