// Whop's side, written from its documentation: bodies, and signatures made by somebody else's code.
import { createHmac } from "node:crypto";
import { Webhook } from "standardwebhooks";

export const secret = "ws_0123456789abcdef0123456789abcdef";

/** Environment of a ttr with a configured Whop, so that no simulator runs. */
export const whopEnv = {
  WHOP_WEBHOOK_SECRET: secret,
  WHOP_CHECKOUT_URL: "http://127.0.0.1:9/checkout/plan_ttr", // nobody goes there
};

const seconds = (ms) => Math.floor(ms / 1000);

/** A `payment.succeeded` as API v1 sends it; `data` overrides fields of the payment. */
export function paymentSucceeded({ id = "pay_1", metadata = {}, paidAt = Date.now(), ...data } = {}) {
  return JSON.stringify({
    id: `msg_${id}`,
    api_version: "v1",
    timestamp: new Date(paidAt).toISOString(),
    type: "payment.succeeded",
    company_id: "biz_ttr",
    data: {
      id,
      status: "paid",
      substatus: "succeeded",
      billing_reason: "one_time",
      currency: "usd",
      subtotal: 99,
      total: 99,
      usd_total: 99,
      refunded_amount: 0,
      created_at: new Date(paidAt).toISOString(),
      paid_at: new Date(paidAt).toISOString(),
      checkout_configuration_id: "ch_ttr",
      plan: { id: "plan_ttr", internal_notes: null, metadata: null },
      product: { id: "prod_ttr", route: "ttr", title: "TTR VIP Access", metadata: null },
      user: { id: "user_1", email: null, name: "A buyer", username: "buyer" },
      membership: { id: "mem_1", status: "completed" },
      metadata,
      ...data,
    },
  });
}

/** The same as API v5 sends it. */
export function paymentSucceededV5({ id = "pay_1", metadata = {}, paidAt = Date.now() } = {}) {
  return JSON.stringify({
    action: "payment.succeeded",
    api_version: "v5",
    data: {
      id,
      status: "paid",
      currency: "usd",
      subtotal: 99,
      final_amount: 99,
      refunded_amount: 0,
      created_at: seconds(paidAt),
      paid_at: seconds(paidAt),
      plan_id: "plan_ttr",
      user_id: "user_1",
      checkout_session: { metadata },
    },
  });
}

/** The metadata that a checkout carries. */
export const metadataOf = ({ anonymousId, sessionId, startedAt }) => ({
  aurea_anonymous_id: anonymousId,
  aurea_session_id: sessionId,
  checkout_started_at: String(startedAt),
});

/**
 * A delivery signed by the standardwebhooks package. Whop's key is the secret's own bytes, `ws_` included, so the
 * package, which decodes base64, is given their base64.
 */
export function signed(body, { key = secret, id = "msg_1", at = Date.now() } = {}) {
  const webhook = new Webhook(Buffer.from(key).toString("base64"));
  return {
    body,
    headers: {
      "webhook-id": id,
      "webhook-timestamp": String(seconds(at)),
      "webhook-signature": webhook.sign(id, new Date(at), body),
    },
  };
}

/** A delivery in Whop's older scheme: `x-whop-signature: t=<unix>,v1=<hex>`. */
export function signedV5(body, { key = secret, at = Date.now() } = {}) {
  const time = seconds(at);
  const hex = createHmac("sha256", key).update(`${time}.${body}`).digest("hex");
  return { body, headers: { "x-whop-signature": `t=${time},v1=${hex}` } };
}
