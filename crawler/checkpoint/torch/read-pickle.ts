import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import { ByteCursor } from "./byte-cursor.ts";
import { OPCODE_NAMES } from "./pickle-opcodes.ts";
import { isKind, type PickleValue } from "./pickle-value.ts";

/** The state dict of 10^5 tensors stays below this; each byte is at most one opcode, so this bounds the work too. */
export const MAX_PICKLE_BYTES = 64 * 2 ** 20;
/** Picklers write dicts in batches of 1,000 pairs. */
export const MAX_STACK = 100_000;
/** A pickler remembers some ten values a tensor. */
export const MAX_MEMO = 2_000_000;
/** Names of modules and classes. */
const MAX_NAME_BYTES = 1000;
/** Whole numbers of this many bytes: the magic number of torch's older format has 10. */
const MAX_INTEGER_BYTES = 16;

/** What a pickle may name, and what its names do. Everything else that a pickle can do is refused. */
export interface PickleHost {
  /** @throws UnsupportedModelError for a name that it does not know */
  find(module: string, name: string, at: number): PickleValue;
  call(callee: PickleValue, args: readonly PickleValue[], at: number): PickleValue;
  /** What a persistent id stands for: a storage. */
  load(id: PickleValue, at: number): PickleValue;
}

/**
 * Reads a pickle of protocol 2 to 5 as data: the few opcodes that a state dict needs build plain values, and the host
 * alone decides what a name means. Nothing is imported or executed.
 * @param begin where the pickle starts in `bytes`
 * @returns its value, and where it ends
 * @throws UnsupportedModelError naming an opcode or a global that is not read, TruncatedError when the bytes end
 * inside, CheckpointError when it makes no sense
 */
export function readPickle(bytes: Uint8Array, begin: number, host: PickleHost): { value: PickleValue; end: number } {
  const machine = new PickleMachine(bytes, begin, host);
  while (!machine.step());
  return { value: machine.result(), end: machine.end };
}

class PickleMachine {
  readonly #in: ByteCursor;
  readonly #begin: number;
  readonly #host: PickleHost;
  readonly #stack: PickleValue[] = [];
  readonly #marks: number[] = [];
  readonly #memo = new Map<number, PickleValue>();
  #at: number;

  constructor(bytes: Uint8Array, begin: number, host: PickleHost) {
    this.#in = new ByteCursor(bytes, begin);
    this.#begin = begin;
    this.#at = begin;
    this.#host = host;
  }

  get end(): number {
    return this.#in.at;
  }

  result(): PickleValue {
    if (this.#stack.length !== 1) this.#fail("it ends with more than one value");
    return this.#pop();
  }

  /** Performs one opcode; true at the last. */
  step(): boolean {
    this.#at = this.#in.at;
    if (this.#at - this.#begin > MAX_PICKLE_BYTES) this.#fail(`it is longer than ${MAX_PICKLE_BYTES} bytes`);
    const opcode = this.#in.uint8();
    const name = OPCODE_NAMES.get(opcode);
    switch (name) {
      case "PROTO":
        this.#protocol(this.#in.uint8());
        break;
      case "FRAME":
        this.#in.uint64();
        break;
      case "STOP":
        return true;
      case "MARK":
        if (this.#marks.push(this.#stack.length) > MAX_STACK) this.#fail("its stack is too deep");
        break;
      case "NONE":
        this.#push(null);
        break;
      case "NEWTRUE":
        this.#push(true);
        break;
      case "NEWFALSE":
        this.#push(false);
        break;
      case "BININT":
        this.#push(this.#in.int32());
        break;
      case "BININT1":
        this.#push(this.#in.uint8());
        break;
      case "BININT2":
        this.#push(this.#in.uint16());
        break;
      case "LONG1":
        this.#push(this.#integer(this.#in.uint8()));
        break;
      case "BINFLOAT":
        this.#push(this.#in.float64());
        break;
      case "SHORT_BINSTRING": // text of Python 2
      case "SHORT_BINUNICODE":
        this.#push(this.#text(this.#in.uint8()));
        break;
      case "BINSTRING":
      case "BINUNICODE":
        this.#push(this.#text(this.#in.uint32()));
        break;
      case "EMPTY_TUPLE":
        this.#push({ kind: "tuple", items: [] });
        break;
      case "TUPLE1":
      case "TUPLE2":
      case "TUPLE3":
        this.#push({ kind: "tuple", items: this.#popMany(Number(name.slice(-1))) });
        break;
      case "TUPLE":
        this.#push({ kind: "tuple", items: this.#popToMark() });
        break;
      case "EMPTY_LIST":
        this.#push({ kind: "list", items: [] });
        break;
      case "APPEND":
        this.#append(this.#popMany(1));
        break;
      case "APPENDS":
        this.#append(this.#popToMark());
        break;
      case "EMPTY_DICT":
        this.#push({ kind: "dict", entries: new Map() });
        break;
      case "SETITEM":
        this.#setItems(this.#popMany(2));
        break;
      case "SETITEMS":
        this.#setItems(this.#popToMark());
        break;
      case "BINPUT":
        this.#put(this.#in.uint8());
        break;
      case "LONG_BINPUT":
        this.#put(this.#in.uint32());
        break;
      case "MEMOIZE":
        this.#put(this.#memo.size);
        break;
      case "BINGET":
        this.#get(this.#in.uint8());
        break;
      case "LONG_BINGET":
        this.#get(this.#in.uint32());
        break;
      case "GLOBAL": {
        const module = decode(this.#in.line(MAX_NAME_BYTES));
        this.#push(this.#host.find(module, decode(this.#in.line(MAX_NAME_BYTES)), this.#at));
        break;
      }
      case "STACK_GLOBAL": {
        const [module, global] = this.#popMany(2);
        if (typeof module !== "string" || typeof global !== "string") return this.#fail("a global without a name");
        this.#push(this.#host.find(module, global, this.#at));
        break;
      }
      case "REDUCE": {
        const [callee = null, args] = this.#popMany(2);
        if (!isKind(args, "tuple")) return this.#fail("REDUCE without a tuple of arguments");
        this.#push(this.#host.call(callee, args.items, this.#at));
        break;
      }
      case "BUILD": {
        // sets attributes of what is on the stack; an OrderedDict's (`_metadata`) say nothing about its tensors
        this.#pop();
        if (!isKind(this.#stack.at(-1), "dict")) this.#refuse("BUILD, on something other than a dict");
        break;
      }
      case "BINPERSID":
        this.#push(this.#host.load(this.#pop(), this.#at));
        break;
      default:
        this.#refuse(name ?? `byte 0x${opcode.toString(16)}`);
    }
    return false;
  }

  #protocol(version: number): void {
    if (version < 2 || version > 5) throw new UnsupportedModelError(`pickle protocol ${version} is not read`);
  }

  /** Two's complement, little endian. */
  #integer(length: number): number | bigint {
    if (length > MAX_INTEGER_BYTES) return this.#fail(`a whole number of ${length} bytes`);
    let value = 0n;
    for (const [index, byte] of this.#in.bytes(length).entries()) value |= BigInt(byte) << BigInt(8 * index);
    const signed = BigInt.asIntN(8 * length, value);
    return Number.isSafeInteger(Number(signed)) ? Number(signed) : signed;
  }

  #text(length: number): string {
    return decode(this.#in.bytes(length));
  }

  #append(items: readonly PickleValue[]): void {
    const list = this.#stack.at(-1);
    if (!isKind(list, "list")) return this.#fail("it appends to something other than a list");
    for (const item of items) list.items.push(item);
  }

  #setItems(items: readonly PickleValue[]): void {
    const dict = this.#stack.at(-1);
    if (!isKind(dict, "dict") || items.length % 2 !== 0) return this.#fail("it sets items of something not a dict");
    for (let i = 0; i < items.length; i += 2) dict.entries.set(items[i] ?? null, items[i + 1] ?? null);
  }

  #put(index: number): void {
    const top = this.#stack.at(-1);
    if (top === undefined) return this.#fail("there is nothing to remember");
    this.#memo.set(index, top);
    if (this.#memo.size > MAX_MEMO) this.#fail(`it remembers more than ${MAX_MEMO} values`);
  }

  #get(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) return this.#fail(`value ${index} was not remembered`);
    this.#push(value);
  }

  #push(value: PickleValue): void {
    if (this.#stack.push(value) > MAX_STACK) this.#fail("its stack is too deep");
  }

  #pop(): PickleValue {
    if (this.#stack.length <= (this.#marks.at(-1) ?? 0)) return this.#fail("its stack is empty");
    return this.#stack.pop() ?? null;
  }

  #popMany(count: number): PickleValue[] {
    if (this.#stack.length - (this.#marks.at(-1) ?? 0) < count) return this.#fail("its stack is empty");
    return this.#stack.splice(this.#stack.length - count);
  }

  #popToMark(): PickleValue[] {
    const mark = this.#marks.pop();
    if (mark === undefined) return this.#fail("there is no MARK");
    return this.#stack.splice(mark);
  }

  #fail(problem: string): never {
    throw new CheckpointError(`the pickle makes no sense at byte ${this.#at}: ${problem}`);
  }

  #refuse(what: string): never {
    throw new UnsupportedModelError(
      `the pickle asks for ${what} at byte ${this.#at}: no more is read than tensors need, and nothing is executed`,
    );
  }
}

/** Invalid UTF-8 (Latin-1 of Python 2) becomes U+FFFD. */
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
