import { expect, it } from "vitest";
import { parseRange } from "./parse-range.ts";

const part = (start: number, end: number) => ({ kind: "part", start, end });

it.each([
  ["bytes=0-0", 10, part(0, 1)],
  ["bytes=2-", 10, part(2, 10)],
  ["bytes=-3", 10, part(7, 10)],
  ["bytes=-30", 10, part(0, 10)],
  ["bytes=9-99999999999999999999", 10, part(9, 10)],
  ["bytes=10-", 10, { kind: "unsatisfiable" }],
  ["bytes=0-0", 0, { kind: "unsatisfiable" }],
  ["bytes=-0", 10, { kind: "unsatisfiable" }],
  ["bytes=5-2", 10, { kind: "whole" }],
  ["bytes=-", 10, { kind: "whole" }],
  ["bytes=0-1,4-5", 10, { kind: "whole" }],
  ["items=0-1", 10, { kind: "whole" }],
  ["bytes=1.5-2", 10, { kind: "whole" }],
  [undefined, 10, { kind: "whole" }],
])("reads %s of %d bytes", (header, size, expected) => {
  expect(parseRange(header, size)).toEqual(expected);
});
