import { z } from "zod";
import { architecture } from "../architecture.ts";
import { expectTensor, findBackbone } from "../expect-tensor.ts";
import { dinov2Plan, dinov2Schema } from "./dinov2.ts";

/** DINOv2 with registers (arXiv 2309.16588): tokens that belong to no patch; its interpolation is antialiased. */
export const dinov2WithRegisters = architecture({
  name: "dinov2_with_registers",
  modelTypes: ["dinov2_with_registers"],
  config: dinov2Schema(16).extend({ num_register_tokens: z.int().min(0).max(10_000).default(4) }),
  plan(root, config) {
    const p = findBackbone(root, ["dinov2_with_registers", ""], "embeddings");
    const registers = config.num_register_tokens > 0;
    if (registers) expectTensor(p, "embeddings.register_tokens", [1, config.num_register_tokens, config.hidden_size]);
    return dinov2Plan(p, config, { antialias: true, registers });
  },
});
