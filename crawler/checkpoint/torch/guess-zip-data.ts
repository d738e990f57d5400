import { LOCAL_HEADER_BYTES, type ZipEntry } from "./zip-directory.ts";

/** torch begins the data of each file at a multiple of this (kFieldAlignment in caffe2/serialize/inline_container.h). */
const ALIGNMENT = 64;
/** Head of the field that pads the local header. */
const PADDING_FIELD_BYTES = 4;
/** Data descriptors behind the data: none, then with sizes of 4 and of 8 bytes. */
const DESCRIPTOR_BYTES = [0, 16, 24];
/** Local headers of files and places from here on have a zip64 field. */
const WIDE = 0xffffffff;

/**
 * Where the data of entries begin. Only the local headers say it for sure, and reading those takes a request each; but
 * torch pads them so that data begin at the next multiple of 64, and then they must end right where the next header or
 * its descriptor begins. Entries of which both is true are in the result, the others are not.
 * @param dataEnd where the central directory begins
 */
export function guessZipData(entries: readonly ZipEntry[], dataEnd: number): Map<ZipEntry, number> {
  const sorted = entries.toSorted((a, b) => a.header - b.header);
  const begins = new Map<ZipEntry, number>();
  sorted.forEach((entry, index) => {
    const wide = (entry.size >= WIDE || entry.header >= WIDE ? 4 : 0) + (entry.size >= WIDE ? 16 : 0);
    const header = entry.header + LOCAL_HEADER_BYTES + entry.nameBytes + PADDING_FIELD_BYTES;
    const least = header + wide + (entry.header >= WIDE ? 8 : 0);
    const begin = Math.ceil(least / ALIGNMENT) * ALIGNMENT;
    const behind = (sorted[index + 1]?.header ?? dataEnd) - begin - entry.size;
    if (DESCRIPTOR_BYTES.includes(behind)) begins.set(entry, begin);
  });
  return begins;
}
