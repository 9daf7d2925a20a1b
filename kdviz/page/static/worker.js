// Reads the models' files and runs them, beside the page, so that typing never waits.
import * as ort from "./ort.js";
import "./tokens.js";
import "./relations.js";

let about, read, queue = Promise.resolve();
const sessions = [];

// A file's bytes, from the store that also serves the page offline, else from the server; refused when damaged.
async function bytes(name, progress) {
  const [size, sum] = about.sizes[name];
  const store = globalThis.caches && (await caches.open(`kdviz-${about.version}`).catch(() => null));
  const kept = await store?.match(name);
  const response = kept ?? (await fetch(name));
  if (!response.ok) throw new Error(`${name} is missing on the server (${response.status})`);
  const data = new Uint8Array(size);
  let at = 0;
  for (const reader = response.body.getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) break;
    if (at + value.length > size) throw new Error(`${name} is damaged (more than its ${size} bytes)`);
    data.set(value, at);
    at += value.length;
    progress?.(at, size);
  }
  if (at !== size) throw new Error(`${name} is damaged (${at} of ${size} bytes)`);
  if (adler(data) !== sum) {
    await store?.delete(name);
    throw new Error(`${name} is damaged (its checksum is another)`);
  }
  if (store && !kept) await store.put(name, new Response(data)).catch(() => {}); // no room: it is fetched next time
  return data;
}

// Adler-32, zlib's checksum: also where a page is not served over https and the browser's own hashes are closed.
function adler(data) {
  let a = 1, b = 0;
  for (let i = 0; i < data.length; ) {
    for (const end = Math.min(i + 3800, data.length); i < end; i++) b += a += data[i];
    a %= 65521;
    b %= 65521;
  }
  return b * 65536 + a;
}

async function load(order) {
  read = reader(JSON.parse(new TextDecoder().decode(await bytes("reading.json"))));
  ort.env.wasm.numThreads = 1; // more need headers that a plain server does not send
  ort.env.wasm.wasmBinary = (await bytes("ort.wasm")).buffer;
  for (const number of order) {
    try {
      const { file, external } = about.models[number], told = (done, all) => postMessage({ number, done, all });
      const externalData = external ? [{ path: external, data: await bytes(external, told) }] : [];
      const options = { executionProviders: ["wasm"], externalData };
      const session = await ort.InferenceSession.create(await bytes(file, told), options);
      await run(session, [0, 0]); // the first run takes longer
      sessions[number] = session;
      postMessage({ ready: number });
    } catch (error) {
      postMessage({ failed: number, why: String(error.message ?? error) });
    }
  }
}

async function run(session, ids) {
  const row = (values) => new ort.Tensor("int64", BigInt64Array.from(values, BigInt), [1, ids.length]);
  const given = { input_ids: ids, attention_mask: ids.map(() => 1), token_type_ids: ids.map(() => 0) };
  const inputs = Object.fromEntries(session.inputNames.map((name) => [name, row(given[name])]));
  return session.run(inputs);
}

// Texts through some models: what the views need of each.
async function answer({ id, texts, numbers }) {
  const rows = texts.map((text) => read(text, about.longest)), room = Math.floor(about.drawn / texts.length);
  const models = {};
  for (const number of numbers.filter((one) => sessions[one])) {
    const began = performance.now(), parts = [], logits = [];
    let layers, width;
    for (const { ids } of rows) {
      const out = await run(sessions[number], ids);
      const words = out.hidden.dims[2];
      [, layers, , width] = out.hidden.dims;
      parts.push({ data: out.hidden.data, words, kept: Math.min(words, room) });
      logits.push([...out.logits.data]);
    }
    const ms = (performance.now() - began) / rows.length;
    models[number] = { logits, ms, gram: relations.gram(parts, layers, width) };
  }
  const known = about.models.map((model) => model.known && new Set(model.known));
  const unseen = known.map((set) => set && rows.flatMap((row) => row.tokens.filter((_, i) => !set.has(row.ids[i]))));
  const tokens = rows.map((row) => row.tokens.slice(0, room));
  postMessage({ id, texts, tokens, whole: rows.map((row) => row.whole), unseen, models });
}

onmessage = ({ data }) => {
  if (data.about) {
    about = data.about;
    load(data.order).catch((error) => postMessage({ failed: null, why: String(error.message ?? error) }));
  } else {
    queue = queue.then(() => answer(data)).catch((error) => postMessage({ id: data.id, why: String(error.message) }));
  }
};
