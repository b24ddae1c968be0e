// A 200 means that it is on disk: a power cut right after the answer loses nothing.
import { expect, serverTest as test } from "../support/test.js";
import { batch, newIds } from "../support/events.js";
import { namesOf } from "../support/visit.js";
import { metadataOf, paymentSucceeded, signed, whopEnv } from "../support/whop.js";

test.use({ env: whopEnv });

test("an answered batch of events survives kill -9", async ({ ttr }) => {
  const ids = newIds("events");
  const { status } = await ttr.browserEvents(batch(ids, { eventName: "page_view" }, { eventName: "faq_opened" }));
  await ttr.kill();
  expect(status).toBe(200);
  await ttr.run();
  expect(namesOf(await ttr.session(ids.sessionId)).toSorted()).toEqual(["faq_opened", "page_view"]);
});

test("an answered delivery survives kill -9", async ({ ttr }) => {
  const ids = { ...newIds("delivery"), startedAt: Date.now() - 60_000 };
  const delivery = signed(paymentSucceeded({ metadata: metadataOf(ids) }));
  const { status } = await ttr.delivery(delivery);
  await ttr.kill();
  expect(status).toBe(200);
  await ttr.run();
  expect(await ttr.session(ids.sessionId)).toMatchObject({ converted: true, conversionValue: 99 });
  expect((await ttr.delivery(delivery)).status).toBe(200); // the provider never saw the answer and tries again
  expect(await ttr.payments()).toHaveLength(1);
});
