import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import { DTYPE_BYTES } from "../dtype.ts";
import type { TensorEntry } from "../safetensors-header.ts";
import { TruncatedError } from "./byte-cursor.ts";
import type { TorchFile } from "./open-torch-file.ts";
import { isKind, type PickleValue } from "./pickle-value.ts";
import { placeTensors, type StoragePlace } from "./place-tensors.ts";
import { MAX_PICKLE_BYTES, readPickle } from "./read-pickle.ts";
import { StateDictHost } from "./state-dict-host.ts";

/** MAGIC_NUMBER and PROTOCOL_VERSION of torch/serialization.py. */
const MAGIC = 0x1950a86a20f9469cfc6cn;
const PROTOCOL = 1001;
/** The pickles of most models are smaller. */
const FIRST_READ_BYTES = 256 * 1024;
/** Before each storage: how many elements it has. */
const COUNT_BYTES = 8;

/**
 * torch.save's format before 1.6 (_legacy_load in torch/serialization.py): pickles of a magic number, the version, the
 * writer's machine, the state dict and the keys of the storages; then these, in the order of the keys.
 */
export async function readLegacyHeader(file: TorchFile): Promise<TensorEntry[]> {
  for (let length = FIRST_READ_BYTES; ; length *= 4) {
    const bytes = await file.read(0, Math.min(length, file.size));
    try {
      return parseLegacyHeader(bytes, file.size);
    } catch (cause) {
      const isWhole = bytes.byteLength === file.size || bytes.byteLength > MAX_PICKLE_BYTES;
      if (!(cause instanceof TruncatedError) || isWhole) throw cause;
    }
  }
}

/** @param bytes the file's first; TruncatedError tells that more are needed */
export function parseLegacyHeader(bytes: Uint8Array, fileBytes: number): TensorEntry[] {
  const host = new StateDictHost();
  let at = 0;
  const next = (): PickleValue => {
    const { value, end } = readPickle(bytes, at, host);
    at = end;
    return value;
  };
  if (next() !== MAGIC)
    throw new UnsupportedModelError("its .bin file is in none of the formats that torch.save writes");
  const protocol = next();
  if (protocol !== PROTOCOL) throw new UnsupportedModelError(`torch file protocol ${String(protocol)} is not read`);
  const system = next();
  if (isKind(system, "dict") && system.entries.get("little_endian") === false) {
    throw new UnsupportedModelError("weights in big-endian byte order");
  }
  const state = next();
  const keys = next();
  const places = placeStorages(keys, host, at, fileBytes);
  return placeTensors(state, ({ key }) => {
    const place = places.get(key);
    if (!place) throw new CheckpointError(`storage ${JSON.stringify(key.slice(0, 100))} is not in the file`);
    return place;
  });
}

function placeStorages(
  keys: PickleValue,
  host: StateDictHost,
  begin: number,
  fileBytes: number,
): Map<string, StoragePlace> {
  if (!isKind(keys, "list")) throw new CheckpointError("the file has no list of its storages");
  const places = new Map<string, StoragePlace>();
  let at = begin;
  for (const item of keys.items) {
    const key = String(typeof item === "string" || typeof item === "number" ? item : "");
    const storage = host.storages.get(key);
    if (!storage || places.has(key)) throw new CheckpointError(`bad storage key ${JSON.stringify(key.slice(0, 100))}`);
    const from = at + COUNT_BYTES;
    at = from + storage.elements * (storage.dtype === null ? 1 : DTYPE_BYTES[storage.dtype]);
    places.set(key, { begin: from, end: at });
  }
  if (at !== fileBytes) throw new CheckpointError(`its storages end at byte ${at}, the file has ${fileBytes}`);
  return places;
}
