import { familyOverlapSql } from "./view-family-overlap.ts";
import { modelOverlapSql } from "./view-model-overlap.ts";
import { siblingOverlapSql } from "./view-sibling-overlap.ts";

/** One row a block: how many indexed models, in how many families, hold it. */
const blockSharingSql = `
  SELECT block_id, count(DISTINCT model_id) AS models, count(DISTINCT family) AS families, any_value(b.bytes) AS bytes
  FROM model_blocks JOIN models AS m USING (model_id) JOIN blocks AS b USING (block_id)
  WHERE m.status = 'indexed'
  GROUP BY block_id`;

/** The statements that make the catalog's views in the database attached as `snapshot`; they name no database inside. */
export const createViewsSql = (): readonly string[] => [
  `CREATE VIEW snapshot.model_overlap AS ${modelOverlapSql}`,
  `CREATE VIEW snapshot.family_overlap AS ${familyOverlapSql}`,
  `CREATE VIEW snapshot.block_sharing AS ${blockSharingSql}`,
  `CREATE VIEW snapshot.sibling_overlap AS ${siblingOverlapSql}`,
];
