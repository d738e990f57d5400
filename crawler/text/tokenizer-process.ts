import { Tokenizer } from "tokenizers";
import type { TokenizerRequest, TokenizerReply } from "./open-tokenizer.ts";

// A process of its own: the library is native, and ends its process when a tokenizer from the hub makes it panic.
let tokenizer: Tokenizer | null = null;

async function answer(request: TokenizerRequest): Promise<TokenizerReply> {
  try {
    if (request.kind === "open") {
      tokenizer = Tokenizer.fromFile(request.path);
      tokenizer.setTruncation(request.maxTokens, { direction: request.cutSide });
      return { ids: [] };
    }
    const encodings = (await tokenizer?.encodeBatch([...request.texts])) ?? [];
    return { ids: encodings.map((encoding) => Int32Array.from(encoding.getIds())) };
  } catch (cause) {
    return { problem: cause instanceof Error ? cause.message : String(cause) };
  }
}

process.on("message", (request: TokenizerRequest) => {
  void answer(request).then((reply) => process.send?.(reply));
});
process.on("disconnect", () => process.exit());
