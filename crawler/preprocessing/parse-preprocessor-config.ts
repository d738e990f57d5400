export * from "../../search/data/parse-preprocessor-config.ts";
