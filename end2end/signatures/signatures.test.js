// What the providers' official libraries sign is accepted, and nothing else: 10,000 random bodies for each provider, and a
// changed byte in each of their parts, against a real ttr over HTTP. `node --test end2end/signatures/`, after a build.
import assert from "node:assert/strict";
import { Agent, request } from "node:http";
import { after, before, test } from "node:test";
import { Ttr } from "../support/ttr.js";
import { body, generator } from "./random.js";
import { env, schemes } from "./schemes.js";

const BODIES = 10_000;
const AT_ONCE = 64;
const SEED = Number(process.env.SEED ?? Date.now());

const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
let ttr;

before(async () => {
  console.log(`SEED=${SEED}`); // names the run, should one fail
  ttr = await Ttr.start({ ...env, RUST_LOG: "off" });
});

after(async () => {
  agent.destroy();
  await ttr?.stop();
});

for (const { name, path, sign, agrees } of schemes) {
  const send = (headers, bytes) => status(`${ttr.origin}${path}`, headers, bytes);

  test(`what ${name}'s library signs is accepted, and refused with a byte changed in any part`, async () => {
    const random = generator(SEED);
    await inParallel(BODIES, async (number) => {
      const signed = authentic(sign, body(random), `msg_${number}_${random()}`, random() % 200);
      if (agrees) assert.ok(await agrees(signed.bytes.toString(), signed.headers), describe(signed));
      const changes = oneOfEachPart(signed, random);
      assert.equal(await send(signed.headers, signed.bytes), 200, describe(signed));
      for (const changed of changes) assert.equal(await send(changed.headers, changed.bytes), 401, describe(changed));
    });
  });

  test(`no other byte at any place of a delivery of ${name} is accepted`, async () => {
    const signed = authentic(sign, '{"type":"made.up"}', "msg_0", 0);
    const changes = [...everyChange(signed)];
    assert.equal(await send(signed.headers, signed.bytes), 200);
    await inParallel(changes.length, async (number) => {
      const changed = changes[number];
      assert.equal(await send(changed.headers, changed.bytes), 401, describe(changed));
    });
  });
}

/** A delivery as its library signs it, `age` seconds ago. */
function authentic(sign, body, id, age) {
  const seconds = Math.floor(Date.now() / 1000) - age;
  return { headers: sign(body, { id, seconds }), bytes: Buffer.from(body) };
}

/** The delivery with one byte changed: of the body, and of each signed header. */
function oneOfEachPart({ headers, bytes }, random) {
  const changes = Object.entries(headers).map(([name, value]) => {
    const other = visible[random() % visible.length];
    return { headers: { ...headers, [name]: changedText(value, random() % value.length, other) }, bytes };
  });
  if (bytes.length > 0) changes.push({ headers, bytes: changedBytes(bytes, random() % bytes.length, 1 + (random() % 255)) });
  return changes;
}

/** Every other byte at every place; in headers, every other one that a header may hold. */
function* everyChange({ headers, bytes }) {
  for (let at = 0; at < bytes.length; at++) {
    for (let by = 1; by < 256; by++) yield { headers, bytes: changedBytes(bytes, at, by) };
  }
  for (const [name, value] of Object.entries(headers)) {
    for (let at = 0; at < value.length; at++) {
      for (const other of visible) {
        if (other !== value[at]) yield { headers: { ...headers, [name]: changedText(value, at, other) }, bytes };
      }
    }
  }
}

const visible = Array.from({ length: 0x7f - 0x21 }, (_, n) => String.fromCharCode(0x21 + n));

/** `other` at that place, or the next letter if that stands there already. */
function changedText(text, at, other) {
  const put = other === text[at] ? visible[(visible.indexOf(other) + 1) % visible.length] : other;
  return text.slice(0, at) + put + text.slice(at + 1);
}

function changedBytes(bytes, at, by) {
  const changed = Buffer.from(bytes);
  changed[at] ^= by;
  return changed;
}

function describe({ headers, bytes }) {
  return `SEED=${SEED} ${JSON.stringify(headers)} ${bytes.toString("base64")}`;
}

/** `act` for each number below `count`, some at once. */
async function inParallel(count, act) {
  let next = 0;
  const worker = async () => {
    while (next < count) await act(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

/** Posts the bytes and gives the answer's status. */
function status(url, headers, bytes) {
  return new Promise((resolve, reject) => {
    const asking = request(url, { method: "POST", agent, headers: { ...headers, "content-length": bytes.length } });
    asking.on("error", reject);
    asking.on("response", (response) => {
      response.on("error", reject).on("end", () => resolve(response.statusCode)).resume();
    });
    asking.end(bytes);
  });
}
