import type { Operator } from "./operator.ts";
import { batchNorm } from "./operators/batch-norm.ts";
import { conv } from "./operators/conv.ts";
import { add, relu } from "./operators/elementwise.ts";
import { globalAveragePool, maxPool } from "./operators/pool.ts";

const operators: ReadonlyMap<string, Operator> = new Map(
  [add, batchNorm, conv, globalAveragePool, maxPool, relu].map((operator) => [operator.name, operator]),
);

/** @throws Error for a name that no operator has: a graph stored by a newer version */
export function getOperator(name: string): Operator {
  const operator = operators.get(name);
  if (!operator) throw new Error(`unknown operator "${name}": the graph was stored by a newer version of alsatian`);
  return operator;
}
