import { expect, it } from "vitest";
import { rateWords } from "./device-words.ts";

it.each([
  [10_523.4, "10,500 test items/s"],
  [1529.6, "1,530 test items/s"],
  [318.4, "318 test items/s"],
  [20, "20.0 test items/s"],
  [0.05214, "0.0521 test items/s"],
  [null, "too slow to be measured"],
])("says how fast %s items a second are", (rate, words) => {
  expect(rateWords(rate)).toBe(words);
});
