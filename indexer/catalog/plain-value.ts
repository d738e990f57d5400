import { DuckDBTypeId, JsonDuckDBValueConverter, type DuckDBValueConverter, type Json } from "@duckdb/node-api";

/** A value as JSON has it. */
export type PlainValue = Json;

const TIMES: ReadonlySet<DuckDBTypeId> = new Set([
  DuckDBTypeId.TIMESTAMP,
  DuckDBTypeId.TIMESTAMP_S,
  DuckDBTypeId.TIMESTAMP_MS,
  DuckDBTypeId.TIMESTAMP_NS,
]);

/** A decimal of more digits than this may lose some as a number. */
const SAFE_DIGITS = 15;

/**
 * Converts a value of DuckDB: integers and decimals become numbers where they fit exactly, else texts; times become ISO
 * 8601 in UTC; what JSON does not have becomes a text.
 */
export const toPlainValue: DuckDBValueConverter<PlainValue> = (value, type, converter) => {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
  if (value !== null && type.typeId === DuckDBTypeId.DECIMAL) {
    const text = String(value);
    return text.replace(/\D/g, "").length <= SAFE_DIGITS ? Number(text) : text;
  }
  if (value !== null && TIMES.has(type.typeId)) return isoTime(String(value));
  return JsonDuckDBValueConverter(value, type, converter);
};

const isoTime = (text: string): string => text.replace(/^(\d{4}-\d\d-\d\d) ([\d:.]+)$/, "$1T$2Z");
