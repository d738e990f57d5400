import { groupBytes } from "../../xet/byte-grouping.ts";
import { CHUNK_HEADER_BYTES, COMPRESSION } from "../../xet/xorb-chunk.ts";
import { encodeLz4Frame } from "./encode-lz4-frame.ts";

/** A chunk as it stands in a xorb: in whichever compression is shortest. */
export function encodeChunk(chunk: Uint8Array): Uint8Array {
  const forms = [
    { compression: COMPRESSION.none, bytes: chunk },
    { compression: COMPRESSION.lz4, bytes: encodeLz4Frame(chunk) },
    { compression: COMPRESSION.groupedLz4, bytes: encodeLz4Frame(groupBytes(chunk)) },
  ];
  const { compression, bytes } = forms.reduce((best, form) =>
    form.bytes.byteLength < best.bytes.byteLength ? form : best,
  );
  const header = Buffer.alloc(CHUNK_HEADER_BYTES);
  header.writeUIntLE(bytes.byteLength, 1, 3);
  header.writeUInt8(compression, 4);
  header.writeUIntLE(chunk.byteLength, 5, 3);
  return Buffer.concat([header, bytes]);
}
