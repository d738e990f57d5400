/** How an archive is written that differs from torch's own. */
export interface ZipOptions {
  /** Puts sizes and places into zip64 fields although they would fit. */
  readonly zip64?: boolean;
  /** The compression method that the entries claim. */
  readonly method?: number;
  readonly flags?: number;
}

/** A zip archive of stored files without padding, as other tools than torch write it. */
export function zipBytes(files: ReadonlyMap<string, Uint8Array>, options: ZipOptions = {}): Uint8Array {
  const { zip64 = false, method = 0, flags = 0 } = options;
  const local: Buffer[] = [];
  const central: Buffer[] = [];
  let at = 0;
  for (const [name, bytes] of files) {
    const text = Buffer.from(name);
    const wide = zip64
      ? numbers(["u16", 1], ["u16", 24], ["u64", bytes.length], ["u64", bytes.length], ["u64", at])
      : null;
    const extra = wide ?? Buffer.alloc(0);
    const size = zip64 ? 0xffffffff : bytes.length;
    const common = [
      ["u16", flags],
      ["u16", method],
      ["u32", 0],
      ["u32", 0],
      ["u32", size],
      ["u32", size],
      ["u16", text.length],
    ] as const;
    const header = numbers(["u32", 0x04034b50], ["u16", 45], ...common, ["u16", 0]);
    local.push(header, text, Buffer.from(bytes));
    central.push(
      numbers(["u32", 0x02014b50], ["u16", 45], ["u16", 45], ...common, ["u16", extra.length], ["u16", 0], ["u16", 0]),
      numbers(["u16", 0], ["u32", 0], ["u32", zip64 ? 0xffffffff : at]),
      text,
      extra,
    );
    at += header.length + text.length + bytes.length;
  }
  const directory = Buffer.concat(central);
  const count = zip64 ? 0xffff : files.size;
  const [size, begin] = zip64 ? [0xffffffff, 0xffffffff] : [directory.length, at];
  const counts = [["u64", files.size] as const, ["u64", files.size] as const];
  const end64 = [
    numbers(["u32", 0x06064b50], ["u64", 44], ["u16", 45], ["u16", 45], ["u32", 0], ["u32", 0], ...counts),
    numbers(["u64", directory.length], ["u64", at]),
    numbers(["u32", 0x07064b50], ["u32", 0], ["u64", at + directory.length], ["u32", 1]),
  ];
  const end = numbers(["u32", 0x06054b50], ["u32", 0], ["u16", count], ["u16", count], ["u32", size], ["u32", begin]);
  return Buffer.concat([...local, directory, ...(zip64 ? end64 : []), end, Buffer.alloc(2)]);
}

/** Numbers in little-endian bytes. */
function numbers(...parts: readonly (readonly ["u16" | "u32" | "u64", number])[]): Buffer {
  return Buffer.concat(
    parts.map(([type, value]) => {
      const bytes = Buffer.alloc(8);
      bytes.writeBigUInt64LE(BigInt(value));
      return bytes.subarray(0, { u16: 2, u32: 4, u64: 8 }[type]);
    }),
  );
}
