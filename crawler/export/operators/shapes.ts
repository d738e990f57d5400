import { CheckpointError } from "../../errors.ts";
import type { Attributes } from "../graph.ts";
import type { OperatorSite } from "../operator.ts";

/** Weights of a shape that the value they work on does not allow: checkpoint and configuration disagree. */
export class ShapeError extends CheckpointError {
  override name = "ShapeError";
}

/** Checks what an operator takes for granted. */
export function expectShape(holds: boolean, operator: string, expected: string, { inputs, slots }: OperatorSite): void {
  if (holds) return;
  const show = (shapes: readonly (readonly number[])[]) => shapes.map((dims) => `[${dims.join(", ")}]`).join(" ");
  const weights = slots.length > 0 ? `, weights ${show(slots)}` : "";
  throw new ShapeError(`${operator} expects ${expected}; got input ${show(inputs.map((i) => i.dims))}${weights}`);
}

export function numberAttribute(attributes: Attributes, name: string): number {
  const value = attributes[name];
  if (typeof value !== "number") throw new TypeError(`attribute "${name}" is not a number`);
  return value;
}

/** Length of an axis after a window of `kernel` (dilated) has moved over it. */
export const windowed = (length: number, kernel: number, stride: number, padding: number, dilation = 1): number =>
  Math.floor((length + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;
