export * from "../../search/data/preprocessing.ts";
