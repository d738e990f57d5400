import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkJson } from "../../crawler/check-json.ts";
import { DTYPE_BYTES } from "../../crawler/checkpoint/dtype.ts";
import {
  MAX_HEADER_BYTES,
  MAX_TENSORS,
  parseHeaderLength,
  parseSafetensorsHeader,
  type TensorEntry,
} from "../../crawler/checkpoint/safetensors-header.ts";
import { fuzzSettings, oddJson, refusalOf } from "./fuzz.ts";

const FILE_BYTES = 100_000;

function parse(json: string, fileBytes = FILE_BYTES): TensorEntry[] | string {
  try {
    return parseSafetensorsHeader(Buffer.from(json), fileBytes);
  } catch (cause) {
    return refusalOf(cause);
  }
}

/** What every accepted header must keep: no tensor reaches out of the file or into another. */
function expectSound(tensors: readonly TensorEntry[], headerBytes: number): void {
  let end = 8 + headerBytes;
  for (const tensor of tensors) {
    expect(tensor.begin).toBeGreaterThanOrEqual(end);
    expect(tensor.end).toBeLessThanOrEqual(FILE_BYTES);
    const elements = tensor.shape.reduce((product, length) => product * length, 1);
    expect(tensor.end - tensor.begin).toBe(elements * DTYPE_BYTES[tensor.dtype]);
    end = tensor.end;
  }
  expect(new Set(tensors.map(({ name }) => name)).size).toBe(tensors.length);
}

const dtype = fc.constantFrom(...(Object.keys(DTYPE_BYTES) as (keyof typeof DTYPE_BYTES)[]));
const name = fc.oneof(fc.string(), fc.constantFrom("__proto__", "a.weight", "constructor", "\u001b[2J"));
const shape = fc.array(fc.nat({ max: 20 }), { maxLength: 3 });
const plan = fc.uniqueArray(fc.tuple(name, dtype, shape), { maxLength: 8, selector: ([key]) => key });

/** A header as writers make it, as text: an object would lose `__proto__` and repeated names. */
function headerOf(tensors: readonly (readonly [string, keyof typeof DTYPE_BYTES, readonly number[]])[]): string {
  let end = 0;
  const members = tensors.map(([key, type, dims]) => {
    const begin = end;
    end += dims.reduce((product, length) => product * length, DTYPE_BYTES[type]);
    return `${JSON.stringify(key)}:${JSON.stringify({ dtype: type, shape: dims, data_offsets: [begin, end] })}`;
  });
  return `{${members.join(",")}}`;
}

describe("parseSafetensorsHeader", () => {
  it("reads every header that is right", () => {
    fc.assert(
      fc.property(plan, (tensors) => {
        const own = tensors.filter(([key]) => key !== "__metadata__");
        const json = headerOf(own);
        const parsed = parse(json, 1e9);
        expect(parsed).toHaveLength(own.length);
        expect(new Set(typeof parsed === "string" ? [] : parsed.map((entry) => entry.name))).toEqual(
          new Set(own.map(([key]) => key)),
        );
      }),
      fuzzSettings(),
    );
  });

  it("refuses or reads soundly whatever stands in the entries", () => {
    const offset = fc.oneof(fc.nat({ max: 2 * FILE_BYTES }), oddJson());
    const entry = fc.oneof(
      fc.record({ dtype, shape, data_offsets: fc.tuple(offset, offset) }),
      fc.record({ dtype: fc.oneof(dtype, oddJson()), shape: fc.oneof(shape, oddJson()), data_offsets: oddJson() }),
      oddJson(),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(name, entry), { maxLength: 6 }), (members) => {
        const json = `{${members.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`).join(",")}}`;
        const parsed = parse(json);
        if (typeof parsed !== "string") expectSound(parsed, Buffer.byteLength(json));
      }),
      fuzzSettings(),
    );
  });

  it("refuses or reads soundly whatever bytes are changed", () => {
    const edit = fc.tuple(fc.nat(), fc.uint8Array({ maxLength: 4 }));
    fc.assert(
      fc.property(plan, fc.array(edit, { minLength: 1, maxLength: 4 }), (tensors, edits) => {
        const bytes = Buffer.from(headerOf(tensors));
        for (const [at, part] of edits) bytes.set(part.subarray(0, Math.max(0, bytes.length - at)), at % bytes.length);
        try {
          expectSound(parseSafetensorsHeader(bytes, FILE_BYTES), bytes.length);
        } catch (cause) {
          refusalOf(cause);
        }
      }),
      fuzzSettings(),
    );
  });

  it("never accepts a length beyond its limit or the file", () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), fc.maxSafeNat(), (length, fileBytes) => {
        const bytes = new Uint8Array(8);
        new DataView(bytes.buffer).setBigUint64(0, length, true);
        try {
          const accepted = parseHeaderLength(bytes, fileBytes);
          expect(accepted).toBeLessThanOrEqual(Math.min(MAX_HEADER_BYTES, fileBytes - 8));
        } catch (cause) {
          refusalOf(cause);
        }
      }),
      fuzzSettings(),
    );
  });

  it.each([
    ["a name twice", '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0061":1}', /it names "a" twice/],
    ["a member twice", '{"a":{"dtype":"U8","dtype":"F32","shape":[0],"data_offsets":[0,0]}}', /it names "dtype" twice/],
    ["depth", `{"a":${"[".repeat(1e6)}${"]".repeat(1e6)}}`, /nested deeper than 4 levels/],
    ["many values", `{"a":[${"1,".repeat(4_000_000)}1]}`, /more than \d+ values/],
    [
      "many tensors",
      `{${Array.from({ length: MAX_TENSORS + 1 }, (_, index) => `"${index}":0`).join(",")}}`,
      /lists 200001 tensors, the limit is 200000/,
    ],
  ])("refuses %s by name", (_what, json, reason) => {
    expect(parse(json)).toMatch(reason);
  });
});

describe("checkJson", () => {
  it("finds a repeated name exactly where there is one, and the depth", () => {
    const key = fc.constantFrom("a", "b", 'q"', "\\", "é", "[", "{,");
    const scalar = fc.constantFrom("1", '"{"', '"\\""', "null");
    const { value } = fc.letrec<{ value: { text: string; repeats: boolean; depth: number } }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 5 },
        scalar.map((text) => ({ text, repeats: false, depth: 0 })),
        fc.array(tie("value"), { maxLength: 3 }).map((items) => ({
          text: `[${items.map(({ text }) => text).join(", ")}]`,
          repeats: items.some(({ repeats }) => repeats),
          depth: 1 + Math.max(0, ...items.map(({ depth }) => depth)),
        })),
        fc.array(fc.tuple(key, tie("value")), { maxLength: 3 }).map((members) => ({
          text: `{${members.map(([one, { text }]) => `${JSON.stringify(one)} : ${text}`).join(",")}}`,
          repeats:
            members.some(([, { repeats }]) => repeats) || new Set(members.map(([one]) => one)).size < members.length,
          depth: 1 + Math.max(0, ...members.map(([, { depth }]) => depth)),
        })),
      ),
    }));
    fc.assert(
      fc.property(value, ({ text, repeats, depth }) => {
        JSON.parse(text);
        const limits = { maxDepth: 100, maxValues: 1000 };
        expect(checkJson(text, limits)).toBe(null);
        expect(checkJson(text, { ...limits, hasUniqueKeys: true }) !== null).toBe(repeats);
        expect(checkJson(text, { ...limits, maxDepth: 2 }) !== null).toBe(depth > 2);
      }),
      fuzzSettings(),
    );
  });
});
