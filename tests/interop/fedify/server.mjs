// An actor on Fedify, told what to do over /control. Keys, signatures, verification, JSON-LD, WebFinger and routing are
// Fedify's; only this glue is ours. `node server.mjs PORT`; prints "ready" when it listens.

import { createServer } from "node:http";
import { createFederation, generateCryptoKeyPair, MemoryKvStore } from "@fedify/fedify";
import * as vocab from "@fedify/vocab";

const port = Number(process.argv[2]);
const origin = `http://127.0.0.1:${port}`;
const NAME = "nell";
const keys = [await generateCryptoKeyPair("RSASSA-PKCS1-v1_5"), await generateCryptoKeyPair("Ed25519")];
const received = [];
const notes = new Map();

const federation = createFederation({ kv: new MemoryKvStore(), allowPrivateAddress: true, origin });

federation
  .setActorDispatcher("/users/{identifier}", async (ctx, identifier) => {
    if (identifier !== NAME) return null;
    const pairs = await ctx.getActorKeyPairs(identifier);
    return new vocab.Person({
      id: ctx.getActorUri(identifier),
      preferredUsername: identifier,
      name: "Nell on Fedify",
      inbox: ctx.getInboxUri(identifier),
      outbox: ctx.getOutboxUri(identifier),
      followers: ctx.getFollowersUri(identifier),
      endpoints: new vocab.Endpoints({ sharedInbox: ctx.getInboxUri() }),
      publicKey: pairs[0].cryptographicKey,
      assertionMethods: pairs.map((pair) => pair.multikey),
    });
  })
  .setKeyPairsDispatcher(() => keys);
federation.setOutboxDispatcher("/users/{identifier}/outbox", () => ({ items: [] }));
federation.setFollowersDispatcher("/users/{identifier}/followers", () => ({ items: [] }));
for (const type of [vocab.Note, vocab.Question]) {
  federation
    .setObjectDispatcher(type, `/${type.name.toLowerCase()}s/{id}`, (_, { id }) => notes.get(id) ?? null)
    .authorize(async (ctx) => (await ctx.getSignedKey()) != null);
}
federation
  .setInboxListeners("/users/{identifier}/inbox", "/inbox")
  .setSharedKeyDispatcher(() => ({ identifier: NAME }))
  .on(vocab.Follow, async (ctx, follow) => {
    await record(ctx, follow);
    const follower = await follow.getActor(ctx);
    const accept = new vocab.Accept({
      id: new URL(`${origin}/accepts/${crypto.randomUUID()}`),
      actor: ctx.getActorUri(NAME),
      object: follow,
      to: follower.id,
    });
    await ctx.sendActivity({ identifier: NAME }, follower, accept, { immediate: true });
  })
  .on(vocab.Activity, record);

async function record(ctx, activity) {
  received.push(await activity.toJsonLd({ contextLoader: ctx.contextLoader, format: "compact" }));
}

const controls = {
  // What has been received and verified, oldest first.
  received: async () => received,
  // Sign and send an activity, as Fedify writes it.
  async send(ctx, { activity, inbox }) {
    const parsed = await vocab.Activity.fromJsonLd(activity, ctx);
    const recipient = { id: new URL(inbox), inboxId: new URL(inbox), endpoints: null };
    await ctx.sendActivity({ identifier: NAME }, recipient, parsed, { immediate: true, fanout: "skip" });
    return {};
  },
  // Serve an object to whoever signs for it.
  async serve(ctx, { document }) {
    notes.set(document.id.split("/").at(-1), await vocab.Object.fromJsonLd(document, ctx));
    return {};
  },
  // Fetch with a signature, and read it as Fedify does.
  async fetch(ctx, { url }) {
    const documentLoader = await ctx.getDocumentLoader({ identifier: NAME });
    const { document } = await documentLoader(url);
    const object = await vocab.Object.fromJsonLd(document, { ...ctx, documentLoader });
    return { id: object.id?.href, type: object.constructor.name, name: `${object.name ?? ""}`, content: `${object.content ?? ""}` };
  },
};

createServer(async (incoming, outgoing) => {
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  const request = new Request(new URL(incoming.url, origin), {
    method: incoming.method,
    headers: Object.entries(incoming.headers).flatMap(([name, value]) => [value].flat().map((one) => [name, one])),
    body: body.length ? body : undefined,
  });
  let answer;
  try {
    const control = incoming.url.match(/^\/control\/(\w+)$/)?.[1];
    if (control) {
      const ctx = federation.createContext(new URL(origin), undefined);
      answer = Response.json(await controls[control](ctx, body.length ? JSON.parse(body) : {}));
    } else {
      answer = await federation.fetch(request, {
        contextData: undefined,
        onUnauthorized: () => new Response("Unauthorized", { status: 401 }),
      });
    }
  } catch (error) {
    console.error(error);
    answer = Response.json({ error: `${error}` }, { status: 500 });
  }
  outgoing.writeHead(answer.status, Object.fromEntries(answer.headers));
  outgoing.end(Buffer.from(await answer.arrayBuffer()));
}).listen(port, "127.0.0.1", () => console.log("ready"));
