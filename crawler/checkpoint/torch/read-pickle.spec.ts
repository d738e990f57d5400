import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import { OPCODE_NAMES } from "./pickle-opcodes.ts";
import { MAX_STACK, readPickle } from "./read-pickle.ts";
import { StateDictHost } from "./state-dict-host.ts";

const codes = new Map([...OPCODE_NAMES].map(([code, name]) => [name, code]));
const op = (name: string, ...rest: readonly (number | string)[]): number[] => [
  codes.get(name) ?? NaN,
  ...rest.flatMap((part) => (typeof part === "number" ? [part] : [...new TextEncoder().encode(part)])),
];
const pickle = (...parts: readonly (readonly number[])[]): Uint8Array =>
  Uint8Array.from([...op("PROTO", 2), ...parts.flat(), ...op("STOP")]);
const read = (bytes: Uint8Array) => readPickle(bytes, 0, new StateDictHost()).value;

/** What a person would see of a bad pickle. */
function reasonOf(bytes: Uint8Array): string {
  try {
    read(bytes);
    return "read";
  } catch (error) {
    if (!(error instanceof UnsupportedModelError || error instanceof CheckpointError)) throw error;
    return error.message;
  }
}

/** Opcodes that a state dict needs. */
const READ = new Set(
  (
    "MARK STOP NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT SHORT_BINSTRING BINSTRING SHORT_BINUNICODE " +
    "BINUNICODE EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST APPEND APPENDS EMPTY_DICT SETITEM SETITEMS BINPUT " +
    "LONG_BINPUT MEMOIZE BINGET LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BUILD BINPERSID PROTO FRAME"
  ).split(" "),
);
const refused = [...codes.keys()].filter((name) => !READ.has(name));

describe("readPickle", () => {
  it("builds plain values", () => {
    const bytes = pickle(
      op("EMPTY_DICT"),
      op("BINPUT", 0),
      op("MARK"),
      op("SHORT_BINUNICODE", 1, "a"),
      op("BININT", 0xfe, 0xff, 0xff, 0xff),
      op("SHORT_BINUNICODE", 1, "b"),
      op("EMPTY_LIST"),
      op("MARK"),
      op("NEWTRUE"),
      op("LONG1", 2, 0x00, 0x80),
      op("BINGET", 0),
      op("APPENDS"),
      op("SETITEMS"),
    );
    const value = read(bytes);
    const entries = new Map<unknown, unknown>();
    const dict = { kind: "dict", entries };
    entries.set("a", -2).set("b", { kind: "list", items: [true, -32768, dict] });
    expect(value).toEqual(dict);
  });

  it.each(refused)("refuses %s by name", (name) => {
    const start = pickle(op("EMPTY_DICT"), op("MARK"), op("NONE"));
    const bytes = Uint8Array.from([...start.slice(0, -1), codes.get(name) ?? 0, ...new Array<number>(16).fill(0)]);
    expect(reasonOf(bytes)).toBe(
      `the pickle asks for ${name} at byte 5: no more is read than tensors need, and nothing is executed`,
    );
  });

  it("refuses bytes that are no opcode", () => {
    expect(reasonOf(pickle([0xff]))).toMatch(/^the pickle asks for byte 0xff at byte 2/);
  });

  it.each([
    ["os", "system"],
    ["posix", "system"],
    ["nt", "system"],
    ["builtins", "eval"],
    ["__builtin__", "exec"],
    ["builtins", "getattr"],
    ["subprocess", "Popen"],
    ["runpy", "_run_code"],
    ["torch", "load"],
    ["torch.hub", "load"],
    ["torch._utils", "_rebuild_tensor_v2.__globals__"],
    ["torch.storage", "_load_from_bytes"],
    ["numpy.core.multiarray", "_reconstruct"],
    ["collections", "OrderedDict.fromkeys"],
    ["collections.OrderedDict", "__class__"],
  ])("refuses the name %s %s, in both spellings", (module, name) => {
    const reason = `the pickle names ${JSON.stringify(`${module}.${name}`)} at byte`;
    expect(reasonOf(pickle(op("GLOBAL", `${module}\n${name}\n`)))).toContain(reason);
    const words = [module, name].map((word) => op("SHORT_BINUNICODE", word.length, word));
    expect(reasonOf(pickle(...words, op("STACK_GLOBAL")))).toContain(reason);
  });

  it.each([
    ["a text", op("SHORT_BINUNICODE", 9, "os.system")],
    ["a dict", op("EMPTY_DICT")],
    ["a type", op("GLOBAL", "torch\nFloatStorage\n")],
    ["a data type", op("GLOBAL", "torch\nfloat32\n")],
  ])("calls nothing but what builds tensors: not %s", (_what, callee) => {
    expect(reasonOf(pickle(callee, op("EMPTY_TUPLE"), op("REDUCE")))).toMatch(
      /^the pickle calls .*nothing is executed$/,
    );
  });

  it("sets no attributes but those of a dict, which it leaves out", () => {
    const size = [op("GLOBAL", "torch\nSize\n"), op("EMPTY_TUPLE"), op("TUPLE1"), op("REDUCE")];
    expect(reasonOf(pickle(...size, op("EMPTY_DICT"), op("BUILD")))).toMatch(/BUILD, on something other than a dict/);
    expect(read(pickle(op("EMPTY_DICT"), op("EMPTY_DICT"), op("BUILD")))).toEqual({ kind: "dict", entries: new Map() });
  });

  it("keeps dict keys apart from the machine's own objects", () => {
    const key = "__proto__";
    const value = read(pickle(op("EMPTY_DICT"), op("SHORT_BINUNICODE", 9, key), op("NEWTRUE"), op("SETITEM")));
    expect(value).toEqual({ kind: "dict", entries: new Map([[key, true]]) });
    expect(({} as Record<string, unknown>)[key]).toBe(Object.prototype);
  });

  it.each([
    ["protocol 1", Uint8Array.from([0x80, 1, 0x4e, 0x2e]), /protocol 1 is not read/],
    ["a deep stack", pickle(new Array<number>(MAX_STACK + 1).fill(0x4e)), /its stack is too deep/],
    ["many marks", pickle(new Array<number>(MAX_STACK + 1).fill(0x28)), /its stack is too deep/],
    ["a text longer than the file", pickle(op("BINUNICODE", 0xff, 0xff, 0xff, 0xff, "ab")), /the data ends/],
    ["a huge whole number", pickle(op("LONG1", 255, ...new Array<number>(255).fill(1))), /a whole number of 255 bytes/],
    ["a value never remembered", pickle(op("BINGET", 3)), /value 3 was not remembered/],
    ["an empty stack", pickle(op("TUPLE2")), /its stack is empty/],
    ["values below a mark", pickle(op("NONE"), op("NONE"), op("MARK"), op("TUPLE2")), /its stack is empty/],
    ["no end", pickle(op("NONE")).slice(0, -1), /the data ends/],
    ["a name without end", pickle(op("GLOBAL", "torch")), /a line without end/],
    ["a name of any length", pickle(op("GLOBAL", `${"a".repeat(2000)}\nb\n`)), /a line of more than/],
  ])("says what is wrong with %s", (_what, bytes, reason) => {
    expect(reasonOf(bytes)).toMatch(reason);
  });

  it("does work in proportion to its bytes: tuples in tuples share what they hold", () => {
    const doubled = new Array<number[]>(5000).fill([...op("BINPUT", 0), ...op("BINGET", 0), ...op("TUPLE2")]);
    expect(reasonOf(pickle(op("NONE"), ...doubled))).toBe("read");
  });

  it("throws only its own errors, whatever the opcodes", () => {
    const words = [
      "torch",
      "Size",
      "collections",
      "OrderedDict",
      "torch._utils",
      "_rebuild_tensor_v2",
      "storage",
      "os",
    ];
    const known = fc.constantFrom(...[...READ].map((name) => op(name)));
    const part = fc.oneof(
      { weight: 6, arbitrary: known },
      { weight: 1, arbitrary: fc.constantFrom(...refused.map((name) => op(name))) },
      { weight: 3, arbitrary: fc.constantFrom(...words.map((word) => op("SHORT_BINUNICODE", word.length, word))) },
      { weight: 2, arbitrary: fc.uint8Array({ maxLength: 6 }).map((bytes) => [...bytes]) },
      { weight: 1, arbitrary: fc.constantFrom(op("GLOBAL", "torch\nFloatStorage\n"), op("GLOBAL", "torch\nSize\n")) },
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 60 }), (parts) => {
        reasonOf(pickle(...parts));
      }),
      { numRuns: 20_000 },
    );
  });
});
