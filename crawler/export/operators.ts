import type { BlockGraph } from "./graph.ts";
import type { Operator } from "./operator.ts";
import { activationOperators } from "./operators/activation.ts";
import { attendOperator } from "./operators/attend.ts";
import { batchNormOperator } from "./operators/batch-norm.ts";
import { blockedConvOperator } from "./operators/blocked-conv.ts";
import { convOperator } from "./operators/conv.ts";
import { addOperator, multiplyOperator, reluOperator } from "./operators/elementwise.ts";
import { layerNormOperator } from "./operators/layer-norm.ts";
import { linearOperator } from "./operators/linear.ts";
import { normedConvOperator } from "./operators/normed-conv.ts";
import { globalAveragePoolOperator, maxPoolOperator } from "./operators/pool.ts";
import { addPositionsOperator } from "./operators/position.ts";
import { relativeBiasOperator } from "./operators/relative-bias.ts";
import { scaleOperator } from "./operators/scale.ts";
import {
  flattenMapOperator,
  insertTokensOperator,
  meanTokensOperator,
  takeTokenOperator,
  unflattenMapOperator,
} from "./operators/tokens.ts";
import { mergePatchesOperator } from "./operators/merge-patches.ts";
import { patchPadOperator, samePadOperator, zeroPadOperator } from "./operators/pad.ts";
import { addTokenPositionsOperator, embedPositionsOperator, embedTokensOperator } from "./operators/embed-tokens.ts";
import { matrixConvOperator } from "./operators/matrix-conv.ts";
import { maskBiasOperator, maxMaskedOperator, meanMaskedOperator } from "./operators/mask.ts";
import { shiftOperator } from "./operators/shift.ts";
import { responseNormOperator } from "./operators/response-norm.ts";
import { channelGateOperator, squeezeOperator } from "./operators/squeeze-excite.ts";
import { unitHeadsOperator } from "./operators/unit-heads.ts";
import { continuousBiasOperator, windowBiasOperator } from "./operators/window-bias.ts";
import { windowMaskOperator } from "./operators/window-mask.ts";
import { mergeWindowsOperator, partitionWindowsOperator } from "./operators/windows.ts";

/**
 * Every operator of the block DSL; stored graphs refer to them by name. `blockedConv` and `matrixConv` (fuse-convs.ts) and
 * `normedConv` (fuse-norms.ts) are in none.
 */
const operators: ReadonlyMap<string, Operator> = new Map(
  [
    ...activationOperators,
    addOperator,
    addPositionsOperator,
    addTokenPositionsOperator,
    attendOperator,
    batchNormOperator,
    blockedConvOperator,
    channelGateOperator,
    continuousBiasOperator,
    convOperator,
    embedPositionsOperator,
    embedTokensOperator,
    flattenMapOperator,
    globalAveragePoolOperator,
    insertTokensOperator,
    layerNormOperator,
    linearOperator,
    maskBiasOperator,
    matrixConvOperator,
    maxMaskedOperator,
    maxPoolOperator,
    meanMaskedOperator,
    meanTokensOperator,
    mergePatchesOperator,
    mergeWindowsOperator,
    multiplyOperator,
    normedConvOperator,
    partitionWindowsOperator,
    patchPadOperator,
    relativeBiasOperator,
    reluOperator,
    responseNormOperator,
    samePadOperator,
    scaleOperator,
    shiftOperator,
    squeezeOperator,
    takeTokenOperator,
    unflattenMapOperator,
    unitHeadsOperator,
    windowBiasOperator,
    windowMaskOperator,
    zeroPadOperator,
  ].map((operator) => [operator.name, operator]),
);

/** @throws Error for a name that no operator has: a graph stored by a newer version */
export function getOperator(name: string): Operator {
  const operator = operators.get(name);
  if (!operator) throw new Error(`unknown operator "${name}": the graph was stored by a newer version of alsatian`);
  return operator;
}

/** Whether weights of a graph must be known when it is written. */
export const readsWeights = ({ nodes }: BlockGraph): boolean =>
  nodes.some(({ operator }) => getOperator(operator).readsWeights === true);
