import type { Operator } from "./operator.ts";
import { batchNormOperator } from "./operators/batch-norm.ts";
import { convOperator } from "./operators/conv.ts";
import { addOperator, reluOperator } from "./operators/elementwise.ts";
import { globalAveragePoolOperator, maxPoolOperator } from "./operators/pool.ts";

/** Every operator of the block DSL; stored graphs refer to them by name. */
const operators: ReadonlyMap<string, Operator> = new Map(
  [addOperator, batchNormOperator, convOperator, globalAveragePoolOperator, maxPoolOperator, reluOperator].map(
    (operator) => [operator.name, operator],
  ),
);

/** @throws Error for a name that no operator has: a graph stored by a newer version */
export function getOperator(name: string): Operator {
  const operator = operators.get(name);
  if (!operator) throw new Error(`unknown operator "${name}": the graph was stored by a newer version of alsatian`);
  return operator;
}
