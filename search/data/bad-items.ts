import { InputError } from "../../crawler/errors.ts";

/** An item that cannot be used, and why. */
export interface BadItem {
  readonly id: string;
  readonly reason: string;
}

/** So many bad items are named in a message; the count tells of the rest. */
const NAMED_ITEMS = 10;

/** Items of the user's data set that cannot be read. All of them are in `items`, so one run finds them all. */
export class BadItemsError extends InputError {
  override name = "BadItemsError";
  readonly items: readonly BadItem[];

  constructor(items: readonly BadItem[], total: number) {
    const named = items.slice(0, NAMED_ITEMS).map(({ id, reason }) => `  ${id}: ${reason}`);
    const more = items.length > NAMED_ITEMS ? [`  … and ${items.length - NAMED_ITEMS} more`] : [];
    super(
      [
        `${items.length} of ${total} pictures cannot be read:`,
        ...named,
        ...more,
        "Repair or remove them, or pass --skip-bad-items to go on without them.",
      ].join("\n"),
    );
    this.items = items;
  }
}
