import { UnsupportedModelError } from "../../errors.ts";
import type { Lowering, Operator } from "../operator.ts";
import type { Ops, Value } from "../ops.ts";
import { reluOperator, unary } from "./elementwise.ts";

const scalar = (l: Lowering, value: number): string => l.constant(Float32Array.of(value), []);

/** x * sigmoid(slope * x) */
function gated(l: Lowering, slope: number): string {
  const [x = ""] = l.inputNames;
  const scaled = slope === 1 ? x : l.node("Mul", [x, scalar(l, slope)]);
  return l.node("Mul", [x, l.node("Sigmoid", [scaled])]);
}

const clipped = (l: Lowering, x: string, min: number, max: number): string =>
  l.node("Clip", [x, scalar(l, min), scalar(l, max)]);

/** GELU by the error function (arXiv 1606.08415). */
const gelu = unary("gelu", (l) => l.node("Gelu", l.inputNames, { approximate: "none" }));
const geluTanh = unary("geluTanh", (l) => l.node("Gelu", l.inputNames, { approximate: "tanh" }));
const clippedGelu = unary("clippedGelu", (l) =>
  clipped(l, l.node("Gelu", l.inputNames, { approximate: "none" }), -10, 10),
);
const quickGelu = unary("quickGelu", (l) => gated(l, 1.702));
const silu = unary("silu", (l) => gated(l, 1));
const relu6 = unary("relu6", (l) => clipped(l, l.inputNames[0] ?? "", 0, 6));
const squaredRelu = unary("squaredRelu", (l) => {
  const positive = l.node("Relu", l.inputNames);
  return l.node("Mul", [positive, positive]);
});
const leakyRelu = unary("leakyRelu", (l) => l.node("LeakyRelu", l.inputNames, { alpha: { float: 0.01 } }));
const hardSwish = unary("hardSwish", "HardSwish");
const mish = unary("mish", "Mish");
const sigmoid = unary("sigmoid", "Sigmoid");
const tanh = unary("tanh", "Tanh");

export const activationOperators: readonly Operator[] = [
  gelu,
  geluTanh,
  clippedGelu,
  quickGelu,
  silu,
  relu6,
  squaredRelu,
  leakyRelu,
  hardSwish,
  mish,
  sigmoid,
  tanh,
];

/** By the names of transformers' ACT2FN (activations.py); several are one function written in several ways. */
const ACT2FN: ReadonlyMap<string, Operator | "identity"> = new Map<string, Operator | "identity">([
  ["gelu", gelu],
  ["gelu_10", clippedGelu],
  ["gelu_accurate", geluTanh],
  ["gelu_fast", geluTanh],
  ["gelu_new", geluTanh],
  ["gelu_python", gelu],
  ["gelu_python_tanh", geluTanh],
  ["gelu_pytorch_tanh", geluTanh],
  ["hardswish", hardSwish],
  ["leaky_relu", leakyRelu],
  ["linear", "identity"],
  ["mish", mish],
  ["quick_gelu", quickGelu],
  ["relu", reluOperator],
  ["relu2", squaredRelu],
  ["relu6", relu6],
  ["sigmoid", sigmoid],
  ["silu", silu],
  ["swish", silu],
  ["tanh", tanh],
]);

/** @throws UnsupportedModelError for a name that transformers' ACT2FN lacks, or whose function has weights */
export function activate<R extends number>(g: Ops, x: Value<R>, name: string): Value<R> {
  const operator = ACT2FN.get(name);
  if (!operator) throw new UnsupportedModelError(`activation "${name}" is not supported`);
  return operator === "identity" ? x : g.apply<R>(operator, [x]);
}
