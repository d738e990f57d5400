import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tensorBytes } from "../../crawler/checkpoint/open-checkpoint.ts";
import { openTorchFile } from "../../crawler/checkpoint/torch/open-torch-file.ts";
import { memoryFile, torchFixture } from "../torch/memory-file.ts";
import { fuzzSettings, refusalOf } from "./fuzz.ts";

const FILES = ["zip", "zip-protocol-4", "untyped", "legacy", "legacy-protocol-5", "malicious", "malicious-legacy"];
const originals = FILES.map((name) => torchFixture(`${name}.bin`));

/** Numbers that sizes and places are not, in the widths of zip and pickle. */
const oddBytes = fc.constantFrom(
  ...[[0], [0xff], [0x80], [0xff, 0xff], [0xff, 0xff, 0xff, 0xff], [0, 0, 0, 0x80], [0x28], [0x52], [0x63], [0x2e]],
);
const edit = fc.record({
  at: fc.nat({ max: 1 << 20 }),
  isAtEnd: fc.boolean(),
  part: fc.oneof(oddBytes, fc.array(fc.nat({ max: 255 }), { maxLength: 8 })),
  cut: fc.constantFrom(0, 0, 0, 1, 4, 50),
});

describe("openTorchFile", () => {
  it("refuses or reads soundly whatever bytes are changed, cut or added, and reads nothing outside the file", async () => {
    const changed = fc.tuple(fc.constantFrom(...originals), fc.array(edit, { minLength: 1, maxLength: 3 }));
    await fc.assert(
      fc.asyncProperty(changed, async ([original, edits]) => {
        let bytes = Uint8Array.from(original);
        for (const { at, isAtEnd, part, cut } of edits) {
          // directories lie at the end of a file and pickles at its begin: most edits go where something is read
          const place = isAtEnd ? Math.max(0, bytes.length - 1 - (at % 1500)) : at % Math.max(1, bytes.length);
          const rest = bytes.subarray(place + part.length + cut);
          bytes = Uint8Array.from([...bytes.subarray(0, place), ...part, ...rest]);
        }
        const file = memoryFile(bytes);
        try {
          for (const tensor of await openTorchFile(file)) {
            expect(tensor.begin).toBeGreaterThanOrEqual(0);
            expect(tensor.end).toBeLessThanOrEqual(bytes.length);
            if (!tensor.strides) expect(tensor.end - tensor.begin).toBe(tensorBytes(tensor));
          }
        } catch (cause) {
          refusalOf(cause);
        }
        expect(file.bytesRead).toBeLessThanOrEqual(4 * bytes.length + 100_000);
      }),
      fuzzSettings(),
    );
  });
});
