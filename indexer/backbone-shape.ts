import type { InspectedModel } from "../crawler/inspect-model.ts";
import { graphHash } from "./hash-block.ts";

/** What a fine-tune keeps of its base: the kind of model and the shapes of its backbone. */
export interface BackboneShape {
  readonly base: string;
  readonly modelType: string | null;
  readonly graphs: readonly string[];
}

/** The shape of a base model; null when it cannot be exported. */
export const shapeOf = (base: string, { modelType, export: plan }: InspectedModel): BackboneShape | null =>
  plan instanceof Error ? null : { base, modelType, graphs: plan.backbone.blocks.map(({ graph }) => graphHash(graph)) };

/** Why a model that is only named like the family's base is none of its fine-tunes; null when it may be one. */
export function whyUnrelated({ modelType, export: plan }: InspectedModel, shape: BackboneShape | null): string | null {
  if (shape === null) return null; // the base itself cannot be read: its own row says why
  if (modelType !== shape.modelType) {
    return `named like ${shape.base}, but its model_type is ${modelType ?? "unknown"}, not ${shape.modelType ?? "unknown"}`;
  }
  if (plan instanceof Error) return null;
  const graphs = plan.backbone.blocks.map((block) => graphHash(block.graph));
  const same = graphs.length === shape.graphs.length && graphs.every((graph, index) => graph === shape.graphs[index]);
  return same ? null : `named like ${shape.base}, but its backbone has other shapes`;
}
