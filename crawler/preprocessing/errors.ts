export * from "../../search/data/errors.ts";
