import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { z } from "zod";

/** A hub to test, and what it is known to hold. */
export interface HubUnderTest {
  readonly url: string;
  /** A public model with `config.json`, `model.safetensors` and a base model. */
  readonly model: string;
  readonly baseModel: string;
  /** A gated and a private model, a token that opens both and one that opens neither. Left out: not tested. */
  readonly restricted?: {
    readonly gated: string;
    readonly private: string;
    readonly memberToken: string;
    readonly strangerToken: string;
  };
  close(): Promise<void>;
}

const SMALL = "config.json";
const LARGE = "model.safetensors";

const lfs = z.object({ size: z.number(), pointerSize: z.number() });
const info = z.looseObject({
  id: z.string(),
  sha: z.string(),
  tags: z.array(z.string()),
  siblings: z.array(
    z.object({
      rfilename: z.string(),
      size: z.number().optional(),
      blobId: z.string().optional(),
      lfs: lfs.extend({ sha256: z.string() }).optional(),
    }),
  ),
});
const entries = z.array(
  z.looseObject({
    type: z.enum(["file", "directory"]),
    path: z.string(),
    oid: z.string(),
    size: z.number(),
    lfs: lfs.extend({ oid: z.string() }).optional(),
  }),
);
const models = z.array(z.looseObject({ id: z.string(), tags: z.array(z.string()).optional() }));

const gitBlob = (bytes: Uint8Array): string =>
  createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");

const nextPage = (response: Response): string | undefined =>
  /<([^>]+)>; rel="next"/.exec(response.headers.get("Link") ?? "")?.[1];

/** What every hub must do: the protocol as a client sees it, by plain requests. */
export function describeHub(name: string, startHub: () => Promise<HubUnderTest>): void {
  describe(name, () => {
    let hub: HubUnderTest;
    beforeAll(async () => void (hub = await startHub()));
    afterAll(() => hub.close());

    const get = (path: string, init?: RequestInit): Promise<Response> => fetch(new URL(path, hub.url), init);
    const hop = (path: string, init?: RequestInit): Promise<Response> => get(path, { ...init, redirect: "manual" });
    const getInfo = async (): Promise<z.output<typeof info>> =>
      info.parse(await (await get(`/api/models/${hub.model}?blobs=true`)).json());

    it("lists the models of a family by the base model's tag", async () => {
      const tag = `base_model:finetune:${hub.baseModel}`;
      const page = models.parse(await (await get(`/api/models?filter=${tag}&full=true`)).json());
      expect(page.map(({ id }) => id)).toContain(hub.model);
      for (const { tags } of page) expect(tags).toEqual(expect.arrayContaining([tag, `base_model:${hub.baseModel}`]));
    });

    it("gives every model once, page by page", async () => {
      const all = models.parse(await (await get(`/api/models?filter=base_model:${hub.baseModel}`)).json());
      const seen: string[] = [];
      let url: string | undefined = `/api/models?filter=base_model:${hub.baseModel}&limit=1`;
      while (url !== undefined) {
        const response: Response = await get(url);
        const page = models.parse(await response.json());
        expect(page.length).toBeLessThanOrEqual(1);
        seen.push(...page.map(({ id }) => id));
        url = nextPage(response);
      }
      expect(seen.sort()).toEqual(all.map(({ id }) => id).sort());
    });

    it("returns only the fields that were asked for", async () => {
      const query = `filter=base_model:${hub.baseModel}&limit=1&expand=sha&expand[]=gated`;
      const [model] = models.parse(await (await get(`/api/models?${query}`)).json());
      expect(Object.keys(model ?? {})).toEqual(expect.arrayContaining(["id", "sha", "gated"]));
      expect(model).not.toHaveProperty("siblings");
    });

    it("states the same sizes and hashes in the info, the tree and paths-info", async () => {
      const { sha, siblings } = await getInfo();
      expect(sha).toMatch(/^[0-9a-f]{40}$/);
      const tree = entries.parse(await (await get(`/api/models/${hub.model}/tree/${sha}?recursive=true`)).json());
      const files = tree.filter(({ type }) => type === "file");
      expect(files.map(({ path }) => path).sort()).toEqual(siblings.map(({ rfilename }) => rfilename).sort());
      for (const file of files) {
        const sibling = siblings.find(({ rfilename }) => rfilename === file.path);
        expect([sibling?.blobId, sibling?.size, sibling?.lfs?.sha256]).toEqual([file.oid, file.size, file.lfs?.oid]);
      }
      const response = await get(`/api/models/${hub.model}/paths-info/${sha}`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ paths: [LARGE, "no-such-file"] }),
      });
      const found = entries.parse(await response.json());
      expect(found).toEqual(files.filter(({ path }) => path === LARGE));
    });

    it("pages the tree", async () => {
      const seen: string[] = [];
      let url: string | undefined = `/api/models/${hub.model}/tree/main?recursive=true&limit=2`;
      while (url !== undefined) {
        const response: Response = await get(url);
        seen.push(...entries.parse(await response.json()).map(({ path }) => path));
        url = nextPage(response);
      }
      const whole = entries.parse(await (await get(`/api/models/${hub.model}/tree/main?recursive=true`)).json());
      expect(seen).toEqual(whole.map(({ path }) => path));
    });

    it("redirects a small file to the cache on the same origin", async () => {
      const { sha, siblings } = await getInfo();
      const redirect = await hop(`/${hub.model}/resolve/main/${SMALL}`);
      expect(redirect.status).toBe(307);
      expect(redirect.headers.get("Location")).toMatch(
        new RegExp(`^/api/resolve-cache/models/${hub.model}/${sha}/${SMALL}`),
      );
      expect(redirect.headers.get("X-Repo-Commit")).toBe(sha);
      const response = await get(redirect.headers.get("Location") ?? "");
      const bytes = new Uint8Array(await response.arrayBuffer());
      const file = siblings.find(({ rfilename }) => rfilename === SMALL);
      expect(response.headers.get("ETag")).toBe(`"${file?.blobId}"`);
      expect(response.headers.get("X-Repo-Commit")).toBe(sha);
      expect(response.headers.get("Accept-Ranges")).toBe("bytes");
      expect(gitBlob(bytes)).toBe(file?.blobId);
    });

    it("redirects a large file to another origin", async () => {
      const { sha, siblings } = await getInfo();
      const file = siblings.find(({ rfilename }) => rfilename === LARGE);
      const redirect = await hop(`/${hub.model}/resolve/${sha}/${LARGE}`);
      expect(redirect.status).toBe(302);
      expect(redirect.headers.get("X-Linked-Size")).toBe(String(file?.size));
      expect(redirect.headers.get("X-Linked-ETag")).toBe(`"${file?.lfs?.sha256}"`);
      expect(redirect.headers.get("X-Repo-Commit")).toBe(sha);
      const location = new URL(redirect.headers.get("Location") ?? "");
      expect(location.origin).not.toBe(new URL(hub.url).origin);
      const bytes = new Uint8Array(await (await fetch(location)).arrayBuffer());
      expect(createHash("sha256").update(bytes).digest("hex")).toBe(file?.lfs?.sha256);
    });

    it.each([SMALL, LARGE])("sends parts of %s", async (path) => {
      const url = `/${hub.model}/resolve/main/${path}`;
      const whole = Buffer.from(await (await get(url)).arrayBuffer());
      const size = whole.length;
      for (const [range, start, end] of [
        ["bytes=0-9", 0, 10],
        ["bytes=7-7", 7, 8],
        [`bytes=${size - 3}-`, size - 3, size],
        ["bytes=-5", size - 5, size],
        [`bytes=4-${size + 99}`, 4, size],
      ] as const) {
        const response = await get(url, { headers: { Range: range } });
        expect([range, response.status]).toEqual([range, 206]);
        expect(response.headers.get("Content-Range")).toBe(`bytes ${start}-${end - 1}/${size}`);
        expect(Buffer.from(await response.arrayBuffer())).toEqual(whole.subarray(start, end));
      }
      const beyond = await get(url, { headers: { Range: `bytes=${size}-` } });
      expect([beyond.status, beyond.headers.get("Content-Range")]).toEqual([416, `bytes */${size}`]);
    });

    it("answers HEAD without a body, and 304 to a known ETag", async () => {
      const head = await get(`/${hub.model}/resolve/main/${SMALL}`, { method: "HEAD" });
      expect(head.status).toBe(200);
      expect(Number(head.headers.get("Content-Length"))).toBeGreaterThan(0);
      expect(await head.text()).toBe("");
      const etag = head.headers.get("ETag") ?? "";
      const known = await get(`/${hub.model}/resolve/main/${SMALL}`, { headers: { "If-None-Match": etag } });
      expect(known.status).toBe(304);
    });

    it("shows what git holds: the pointer of a large file", async () => {
      const text = await (await get(`/${hub.model}/raw/main/${LARGE}`)).text();
      const { siblings } = await getInfo();
      const file = siblings.find(({ rfilename }) => rfilename === LARGE);
      expect(text).toContain(`oid sha256:${file?.lfs?.sha256}\nsize ${file?.size}\n`);
      expect(gitBlob(Buffer.from(text))).toBe(file?.blobId);
    });

    it("names what is missing", async () => {
      const cases = [
        ["/api/models/nobody-at-all/no-such-model", 401, "RepoNotFound"],
        [`/api/models/${hub.model}/revision/${"0".repeat(40)}`, 404, "RevisionNotFound"],
        [`/${hub.model}/resolve/no-such-branch/${SMALL}`, 404, "RevisionNotFound"],
        [`/${hub.model}/resolve/main/no-such-file`, 404, "EntryNotFound"],
        [`/api/models/${hub.model}/tree/main/no-such-folder`, 404, "EntryNotFound"],
      ] as const;
      for (const [path, status, code] of cases) {
        const response = await get(path);
        expect([path, response.status, response.headers.get("X-Error-Code")]).toEqual([path, status, code]);
        expect(response.headers.get("X-Error-Message")).not.toBeNull();
        await response.body?.cancel();
      }
    });

    it("refuses bad parameters and bad tokens", async () => {
      for (const query of ["limit=many", "sort=colour", "expand=everything", "cursor=no-cursor"]) {
        expect([query, (await get(`/api/models?${query}`)).status]).toEqual([query, 400]);
      }
      const response = await get(`/api/models/${hub.model}`, { headers: { Authorization: "Bearer hf_forged" } });
      expect(response.status).toBe(401);
      expect(response.headers.get("X-Error-Message")).toBe("Invalid credentials in Authorization header");
      expect((await get("/api/whoami-v2")).status).toBe(401);
    });

    it("states the limits", async () => {
      const response = await get(`/api/models/${hub.model}`);
      expect(response.headers.get("RateLimit")).toMatch(/^"api";r=\d+;t=\d+$/);
      expect(response.headers.get("RateLimit-Policy")).toMatch(/^"fixed window";"api";q=\d+;w=\d+$/);
    });

    it("keeps gated files and private repositories to those who may read them", async () => {
      const { restricted } = hub;
      if (restricted === undefined) return;
      const bearer = (token?: string): RequestInit => (token ? { headers: { Authorization: `Bearer ${token}` } } : {});
      const ask = async (path: string, token?: string): Promise<readonly [number, string | null]> => {
        const response = await get(path, bearer(token));
        await response.body?.cancel();
        return [response.status, response.headers.get("X-Error-Code")];
      };
      const { gated, memberToken, strangerToken } = restricted;
      expect(await ask(`/api/models/${gated}`)).toEqual([200, null]);
      for (const path of [SMALL, LARGE]) {
        expect(await ask(`/${gated}/resolve/main/${path}`)).toEqual([401, "GatedRepo"]);
        expect(await ask(`/${gated}/resolve/main/${path}`, strangerToken)).toEqual([403, "GatedRepo"]);
        expect(await ask(`/${gated}/resolve/main/${path}`, memberToken)).toEqual([200, null]);
        expect(await ask(`/${restricted.private}/resolve/main/${path}`)).toEqual([401, "RepoNotFound"]);
        expect(await ask(`/${restricted.private}/resolve/main/${path}`, memberToken)).toEqual([200, null]);
      }
      expect(await ask(`/api/models/${restricted.private}`, strangerToken)).toEqual([404, "RepoNotFound"]);
      const listed = async (token: string): Promise<readonly string[]> => {
        const list = `/api/models?filter=base_model:${hub.baseModel}`;
        return models.parse(await (await get(list, bearer(token))).json()).map(({ id }) => id);
      };
      expect(await listed(strangerToken)).not.toContain(restricted.private);
      expect(await listed(memberToken)).toContain(restricted.private);
    });
  });
}
