import { startLocalHub } from "../../crawler/local-hub/start-local-hub.ts";
import { describeHub } from "./hub.case.ts";
import { BASE, GATED, makeFamilyFolder, MEMBER_TOKEN, PRIVATE, STRANGER_TOKEN, TUNED } from "./make-hub-folder.ts";

describeHub("local hub", async () => {
  const folder = await makeFamilyFolder();
  const hub = await startLocalHub({ root: folder.root });
  return {
    url: hub.url,
    model: TUNED,
    baseModel: BASE,
    restricted: { gated: GATED, private: PRIVATE, memberToken: MEMBER_TOKEN, strangerToken: STRANGER_TOKEN },
    close: async () => {
      await hub.close();
      await folder[Symbol.asyncDispose]();
    },
  };
});
