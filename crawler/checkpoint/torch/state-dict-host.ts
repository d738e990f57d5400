import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import { MAX_RANK } from "../safetensors-header.ts";
import { isKind, type PickleDict, type PickleValue, type TorchStorage, type TorchTensor } from "./pickle-value.ts";
import type { PickleHost } from "./read-pickle.ts";
import { STORAGE_TYPES, TORCH_DTYPES, whyUnread } from "./torch-types.ts";

/** A checkpoint has at most a storage a tensor. */
const MAX_STORAGES = 200_000;

/** What the state dicts that torch saves name, and nothing beyond (torch/_utils.py, torch/serialization.py). */
const GLOBALS: ReadonlySet<string> = new Set([
  "collections.OrderedDict",
  "torch.Size",
  "torch.UntypedStorage",
  "torch.storage.UntypedStorage",
  "torch._utils._rebuild_tensor",
  "torch._utils._rebuild_tensor_v2",
  "torch._utils._rebuild_tensor_v3",
  "torch._utils._rebuild_parameter",
  "torch._utils._rebuild_parameter_with_state",
  ...[...STORAGE_TYPES.keys()].flatMap((name) => [`torch.${name}`, `torch.storage.${name}`]),
  ...[...TORCH_DTYPES.keys()].map((name) => `torch.${name}`),
]);

/** Builds the tensors of a state dict from what its pickle says, without bytes; remembers its storages. */
export class StateDictHost implements PickleHost {
  /** By key; a storage inside another is not listed. */
  readonly storages = new Map<string, TorchStorage>();

  find(module: string, name: string, at: number): PickleValue {
    const path = `${module}.${name}`;
    if (GLOBALS.has(path)) return { kind: "global", path };
    const why = whyUnread(module, name);
    throw new UnsupportedModelError(
      why ??
        `the pickle names ${JSON.stringify(path.slice(0, 200))} at byte ${at}: no more is read than tensors need, and nothing is executed`,
    );
  }

  call(callee: PickleValue, args: readonly PickleValue[], at: number): PickleValue {
    const path = isKind(callee, "global") ? callee.path : null;
    switch (path) {
      case "collections.OrderedDict":
        return orderedDict(args, at);
      case "torch.Size":
        return isKind(args[0], "tuple") || isKind(args[0], "list")
          ? { kind: "tuple", items: args[0].items }
          : fail(at, "torch.Size without a tuple");
      case "torch._utils._rebuild_tensor":
      case "torch._utils._rebuild_tensor_v2":
        return tensor(args, undefined, at);
      case "torch._utils._rebuild_tensor_v3":
        return tensor(args, args[6], at);
      case "torch._utils._rebuild_parameter":
      case "torch._utils._rebuild_parameter_with_state":
        return isKind(args[0], "tensor") ? args[0] : fail(at, "a parameter without a tensor");
      default:
        throw new UnsupportedModelError(
          `the pickle calls ${path ?? "something without a name"} at byte ${at}: nothing is executed`,
        );
    }
  }

  /** ("storage", class, key, device, elements), and in older files what part of it is meant. */
  load(id: PickleValue, at: number): PickleValue {
    const items = isKind(id, "tuple") ? id.items : [];
    const [what, type, key, , elements, view = null] = items;
    if (what !== "storage")
      throw new UnsupportedModelError(`the pickle refers to something not a storage (byte ${at})`);
    const isText = typeof key === "string" || typeof key === "number";
    if (!isKind(type, "global") || !isText || !isCount(elements)) return fail(at, "a bad reference to a storage");
    const name = type.path.slice(type.path.lastIndexOf(".") + 1);
    const dtype = STORAGE_TYPES.get(name) ?? null;
    if (dtype === null && name !== "UntypedStorage") return fail(at, `${type.path} is no class of storages`);
    const storage: TorchStorage = { kind: "storage", key: String(key), dtype, elements, first: 0 };
    const known = this.storages.get(storage.key);
    if (!known) {
      if (this.storages.size >= MAX_STORAGES) return fail(at, `more than ${MAX_STORAGES} storages`);
      this.storages.set(storage.key, storage);
    } else if (known.elements !== elements || known.dtype !== dtype) {
      return fail(at, `storage ${JSON.stringify(storage.key.slice(0, 100))} in two forms`);
    }
    const whole = known ?? storage;
    if (view === null) return whole;
    const [, first, length] = isKind(view, "tuple") ? view.items : [];
    if (!isCount(first) || !isCount(length) || first + length > elements) return fail(at, "a bad part of a storage");
    return { ...whole, first };
  }
}

/** (storage, offset, size, stride, …) */
function tensor(args: readonly PickleValue[], dtypeName: PickleValue | undefined, at: number): TorchTensor {
  const [storage, offset, size, stride] = args;
  const shape = counts(size);
  const strides = counts(stride);
  if (!isKind(storage, "storage") || !isCount(offset) || !shape || shape.length !== strides?.length) {
    return fail(at, "a tensor with bad arguments");
  }
  if (shape.length > MAX_RANK) return fail(at, `a tensor of ${shape.length} axes, the limit is ${MAX_RANK}`);
  const named = isKind(dtypeName, "global") ? TORCH_DTYPES.get(dtypeName.path.replace(/^torch\./, "")) : undefined;
  if (dtypeName !== undefined && named === undefined) return fail(at, "a tensor of a type that is none");
  const dtype = named ?? storage.dtype;
  if (dtype === null) return fail(at, "a tensor without a type");
  return { kind: "tensor", storage, dtype, offset, shape, strides };
}

/** Without arguments, or (Python 2) with a list of pairs. */
function orderedDict([pairs]: readonly PickleValue[], at: number): PickleDict {
  const entries = new Map<PickleValue, PickleValue>();
  for (const pair of isKind(pairs, "list") ? pairs.items : []) {
    const [key, value] = isKind(pair, "list") || isKind(pair, "tuple") ? pair.items : [];
    if (key === undefined || value === undefined) return fail(at, "an OrderedDict of something not pairs");
    entries.set(key, value);
  }
  return { kind: "dict", entries };
}

function counts(value: PickleValue | undefined): readonly number[] | undefined {
  const items: readonly PickleValue[] = isKind(value, "tuple") || isKind(value, "list") ? value.items : [null];
  return items.every(isCount) ? items : undefined;
}

const isCount = (value: PickleValue | undefined): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0;

function fail(at: number, problem: string): never {
  throw new CheckpointError(`the pickle makes no sense at byte ${at}: it has ${problem}`);
}
