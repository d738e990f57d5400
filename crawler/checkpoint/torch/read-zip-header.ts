import { CheckpointError, UnsupportedModelError } from "../../errors.ts";
import { DTYPE_BYTES } from "../dtype.ts";
import type { TensorEntry } from "../safetensors-header.ts";
import type { TorchFile } from "./open-torch-file.ts";
import { guessZipData } from "./guess-zip-data.ts";
import { placeTensors, type StoragePlace } from "./place-tensors.ts";
import { MAX_PICKLE_BYTES, readPickle } from "./read-pickle.ts";
import { StateDictHost } from "./state-dict-host.ts";
import {
  expectStored,
  findZipDirectory,
  LOCAL_HEADER_BYTES,
  parseLocalHeader,
  parseZipDirectory,
  ZIP_TAIL_BYTES,
  type ZipEntry,
} from "./zip-directory.ts";

/** Local headers that are read at a time, where the directory does not tell where data begin. */
const CONCURRENCY = 8;
/** Longest padding before data that one request brings along; torch pads to 64 bytes. */
const SLACK_BYTES = 1024;

/**
 * The newer format of torch.save (torch/csrc/jit/serialization, caffe2/serialize/inline_container.h): a zip archive of
 * stored files, `data.pkl` with the state dict, `data/KEY` with a storage each, all below one folder.
 */
export async function readZipHeader(file: TorchFile): Promise<TensorEntry[]> {
  const { entries, dataEnd } = await readDirectory(file);
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const first = entries[0]?.name ?? "";
  const root = first.slice(0, first.indexOf("/") + 1);
  if (byName.has(`${root}constants.pkl`)) throw new UnsupportedModelError("a TorchScript archive, which holds code");
  const pickle = byName.get(`${root}data.pkl`);
  if (!pickle) throw new UnsupportedModelError("a zip archive without data.pkl: torch did not write it");
  await expectLittleEndian(file, byName.get(`${root}byteorder`));
  const host = new StateDictHost();
  const { value } = readPickle(await readEntry(file, pickle, MAX_PICKLE_BYTES), 0, host);
  const storages = new Map<string, ZipEntry>();
  for (const { key, dtype, elements } of host.storages.values()) {
    const bytes = elements * (dtype === null ? 1 : DTYPE_BYTES[dtype]);
    const entry = byName.get(`${root}data/${key}`);
    const problem = entry ? (entry.size === bytes ? null : `has ${entry.size} bytes, not ${bytes}`) : "is missing";
    if (!entry || problem !== null) {
      throw new CheckpointError(`storage ${JSON.stringify(key.slice(0, 100))} ${problem ?? ""}`);
    }
    expectStored(entry);
    storages.set(key, entry);
  }
  const places = await findPlaces(file, [...storages.values()], entries, dataEnd);
  return placeTensors(value, ({ key }) => {
    const entry = storages.get(key);
    const place = entry && places.get(entry);
    if (!place) throw new CheckpointError(`storage ${JSON.stringify(key.slice(0, 100))} has no place`);
    return place;
  });
}

async function readDirectory(file: TorchFile): Promise<{ entries: ZipEntry[]; dataEnd: number }> {
  const tailBegin = Math.max(0, file.size - ZIP_TAIL_BYTES);
  const tail = await file.read(tailBegin, file.size);
  const { begin, end, entries } = findZipDirectory(tail, file.size);
  const bytes = begin >= tailBegin ? tail.subarray(begin - tailBegin, end - tailBegin) : await file.read(begin, end);
  return { entries: parseZipDirectory(bytes, entries, begin), dataEnd: begin };
}

/** Where the data of entries lie: as torch places them where that holds, else as their local headers say. */
async function findPlaces(
  file: TorchFile,
  wanted: readonly ZipEntry[],
  all: readonly ZipEntry[],
  dataEnd: number,
): Promise<Map<ZipEntry, StoragePlace>> {
  const begins = guessZipData(all, dataEnd);
  const unknown = wanted.filter((entry) => !begins.has(entry));
  for (let at = 0; at < unknown.length; at += CONCURRENCY) {
    await Promise.all(
      unknown.slice(at, at + CONCURRENCY).map(async (entry) => {
        const header = await file.read(entry.header, entry.header + LOCAL_HEADER_BYTES);
        begins.set(entry, parseLocalHeader(header, entry));
      }),
    );
  }
  return new Map(
    wanted.map((entry) => {
      const begin = begins.get(entry) ?? dataEnd;
      if (begin + entry.size > dataEnd) throw new CheckpointError(`zip entry ${JSON.stringify(entry.name)} is cut off`);
      return [entry, { begin, end: begin + entry.size }];
    }),
  );
}

/** A small entry's bytes. */
async function readEntry(file: TorchFile, entry: ZipEntry, maxBytes: number): Promise<Uint8Array> {
  expectStored(entry);
  if (entry.size > maxBytes) {
    throw new CheckpointError(`${JSON.stringify(entry.name)} has ${entry.size} bytes, the limit is ${maxBytes}`);
  }
  const guess = entry.header + LOCAL_HEADER_BYTES + entry.nameBytes + SLACK_BYTES + entry.size;
  const bytes = await file.read(entry.header, Math.min(guess, file.size));
  const begin = parseLocalHeader(bytes, entry);
  const from = begin - entry.header;
  if (from + entry.size <= bytes.byteLength) return bytes.subarray(from, from + entry.size);
  if (begin + entry.size > file.size) throw new CheckpointError(`${JSON.stringify(entry.name)} is cut off`);
  return file.read(begin, begin + entry.size);
}

async function expectLittleEndian(file: TorchFile, entry: ZipEntry | undefined): Promise<void> {
  if (!entry) return; // files of torch before 2.1: written on little-endian machines
  const order = new TextDecoder().decode(await readEntry(file, entry, 100));
  if (order !== "little") throw new UnsupportedModelError(`weights in byte order ${JSON.stringify(order)}`);
}
